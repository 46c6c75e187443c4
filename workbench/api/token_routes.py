"""Tokens for programs: made, listed and revoked by the operator. The command `token` asks here while a server holds the store."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.store import tokens
from workbench.store.tokens import TokenRole

router = APIRouter(tags=["tokens"])


class TokenRequest(BaseModel):
    """A token that is wanted."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=64, description="What it is for; letters, digits, spaces, dots, hyphens, underscores.")
    role: TokenRole = Field(
        default="talk", description="`talk`: reserves and opens talks, no more. `viewer`: reads. `operator`: everything."
    )
    days: float | None = Field(default=90.0, gt=0, le=tokens.DAYS_MAX, description="Days until it ends; null: never.")


class TokenRow(BaseModel):
    """A token, without its secret, which nobody knows any more."""

    token_id: str
    name: str
    role: TokenRole
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokensAnswer(BaseModel):
    """All there ever were, the newest first."""

    tokens: list[TokenRow]


class TokenAnswer(BaseModel):
    """A new token."""

    token_id: str
    name: str
    role: TokenRole
    expires_at: datetime | None
    secret: str = Field(description="To be sent as `Authorization: Bearer`. It is told this once.")


class RevokedAnswer(BaseModel):
    """It is refused from now on, by every process within 5 s."""

    success: Literal[True] = True
    token_id: str


@router.get("/api/tokens", responses=errors(503))
async def list_tokens(context: Ctx) -> TokensAnswer:
    """Every token's name, role and end."""
    rows = await asyncio.to_thread(tokens.tokens, context.workbench.store)
    return TokensAnswer(tokens=[TokenRow.model_validate(row) for row in rows])


@router.post("/api/tokens", status_code=201, responses=errors(400, 403, 409, 503), dependencies=[OWN_PAGE])
async def create_token(context: Ctx, wanted: TokenRequest) -> TokenAnswer:
    """Makes a token."""
    _asked(context)
    try:
        made = await asyncio.to_thread(tokens.create, context.workbench.store, wanted.name, wanted.role, days=wanted.days)
    except ValueError as error:
        raise ApiError(400, "bad_request", str(error)) from error
    return TokenAnswer(token_id=made.token_id, name=made.name, role=made.role, expires_at=made.expires_at, secret=made.secret)


@router.delete("/api/tokens/{token_id}", responses=errors(403, 404, 409, 503), dependencies=[OWN_PAGE])
async def revoke_token(context: Ctx, token_id: str) -> RevokedAnswer:
    """Revokes a token, by id or name."""
    _asked(context)
    if not await asyncio.to_thread(tokens.revoke, context.workbench.store, token_id):
        raise ApiError(404, "unknown_token", "No token that still holds has this id or name. GET /api/tokens lists them.")
    return RevokedAnswer(token_id=token_id)


def _asked(context: Context) -> None:
    if context.seals is None:
        raise ApiError(409, "no_login", "Nobody is asked for a token here: set WORKBENCH_PASSWORD and start again.")
