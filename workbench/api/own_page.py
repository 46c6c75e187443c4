"""Routes that change something: a page of another site must not use a visitor's browser to reach them."""

from __future__ import annotations

from fastapi import Depends, Request

from workbench.api.context import Ctx
from workbench.api.errors import ApiError
from workbench.transports.origin import origin_allowed


def _own_page(context: Ctx, request: Request) -> None:
    allowed = context.workbench.settings.allowed_origins
    if not origin_allowed(request.headers.get("origin"), request.headers.get("host"), allowed):
        raise ApiError(403, "foreign_origin", "This origin may change nothing here; add it to WORKBENCH_ALLOWED_ORIGINS.")


OWN_PAGE = Depends(_own_page)
"""In the `dependencies` of a route: requests of foreign origins are answered with 403."""
