"""Plotly's script from this server. It is in no page: `static/figures.js` asks for it once there is something to draw."""

from __future__ import annotations

import asyncio
import functools
import gzip

import plotly
from fastapi import APIRouter, Request
from fastapi.responses import Response
from plotly.offline import get_plotlyjs

ADDRESS = "/talk/plotly.js"
PLOTLY = f"{ADDRESS}?v={plotly.__version__}"
"""The address with the version, so that a browser asks once for each."""

router = APIRouter(include_in_schema=False)


@router.get(ADDRESS)
async def plotly_script(request: Request) -> Response:
    """5 MB, a third of it packed."""
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(get_plotlyjs(), media_type="text/javascript", headers=headers)
    return Response(await asyncio.to_thread(_packed), media_type="text/javascript", headers={**headers, "content-encoding": "gzip"})


@functools.cache
def _packed() -> bytes:
    return gzip.compress(get_plotlyjs().encode())
