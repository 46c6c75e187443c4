"""STUN and TURN servers for WebRTC: none on one machine or one network, fixed ones from the settings, or TURN credentials asked for
at every call (Hugging Face with a token, or Cloudflare with a key of one's own)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from workbench.settings import Settings

HUGGING_FACE_URL = "https://turn.fastrtc.org/credentials"
CLOUDFLARE_URL = "https://rtc.live.cloudflare.com/v1/turn/keys/{key_id}/credentials/generate-ice-servers"
TIMEOUT_S = 5.0
LIFETIME_S = 4 * 3_600
"""How long credentials are asked for: they must outlive the longest talk."""

IceServers = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
"""A coroutine function that gives `{"iceServers": [...]}`. FastRTC takes plain functions only, no bound methods or partials."""


class IceError(Exception):
    """TURN credentials could not be had. The message says from whom, why, and what to do; it holds no secret."""


@dataclass(frozen=True, slots=True)
class IceSettings:
    """Where STUN and TURN servers come from. Several may be given; the first usable TURN server is the one that is used."""

    stun_urls: tuple[str, ...] = ()
    turn_url: str | None = None
    turn_username: str | None = None
    turn_password: str | None = field(default=None, repr=False)
    hugging_face_token: str | None = field(default=None, repr=False)
    """Set: ask Hugging Face's TURN service."""
    cloudflare_key_id: str | None = None
    cloudflare_key_api_token: str | None = field(default=None, repr=False)


def ice_settings(settings: Settings) -> IceSettings:
    """The part of the settings that says where STUN and TURN servers come from."""
    password, api_token, hf_token = settings.turn_password, settings.cloudflare_turn_key_api_token, settings.hf_token
    return IceSettings(
        stun_urls=settings.stun_urls,
        turn_url=settings.turn_url,
        turn_username=settings.turn_username,
        turn_password=password.get_secret_value() if password is not None else None,
        hugging_face_token=hf_token.get_secret_value() if hf_token is not None and settings.turn_from_huggingface else None,
        cloudflare_key_id=settings.cloudflare_turn_key_id,
        cloudflare_key_api_token=api_token.get_secret_value() if api_token is not None else None,
    )


def ice_servers(settings: IceSettings, transport: httpx.AsyncBaseTransport | None = None) -> IceServers:
    """The function to be called at every call. It raises IceError; `transport` is for tests."""
    fixed: list[dict[str, Any]] = [{"urls": [url]} for url in settings.stun_urls]
    if settings.turn_url is not None:
        fixed.append({"urls": [settings.turn_url], "username": settings.turn_username or "", "credential": settings.turn_password or ""})

    async def servers() -> dict[str, Any]:
        found = list(fixed)
        async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S) as client:
            if settings.hugging_face_token is not None:
                found += await _ask(
                    client,
                    "Hugging Face",
                    "check HF_TOKEN, or turn WORKBENCH_TURN_FROM_HUGGINGFACE off",
                    client.build_request(
                        "GET",
                        HUGGING_FACE_URL,
                        params={"ttl": LIFETIME_S},
                        headers={"Authorization": f"Bearer {settings.hugging_face_token}"},
                    ),
                )
            if settings.cloudflare_key_id is not None and settings.cloudflare_key_api_token is not None:
                found += await _ask(
                    client,
                    "Cloudflare",
                    "check CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN",
                    client.build_request(
                        "POST",
                        CLOUDFLARE_URL.format(key_id=settings.cloudflare_key_id),
                        json={"ttl": LIFETIME_S},
                        headers={"Authorization": f"Bearer {settings.cloudflare_key_api_token}"},
                    ),
                )
        return {"iceServers": found}

    return servers


async def _ask(client: httpx.AsyncClient, who: str, repair: str, request: httpx.Request) -> list[dict[str, Any]]:
    try:
        response = await client.send(request)
        response.raise_for_status()
        answer = response.json()["iceServers"]
    except httpx.HTTPStatusError as error:
        raise IceError(f"{who} gave no TURN credentials (HTTP {error.response.status_code}); {repair}") from error
    except httpx.HTTPError as error:
        raise IceError(f"{who} cannot be reached for TURN credentials ({type(error).__name__}); {repair}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise IceError(f"{who} answered something that is no list of TURN servers; {repair}") from error
    listed = answer if isinstance(answer, list) else [answer]
    if not all(isinstance(server, dict) and server.get("urls") for server in listed):
        raise IceError(f"{who} answered something that is no list of TURN servers; {repair}")
    return listed
