"""The workbench's engines without the rest of the house: what a benchmark talks to."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from workbench.assembly import Progress, assemble
from workbench.engines.base import Engine
from workbench.engines.speech.base import Asr, Tts
from workbench.sessions import Sessions
from workbench.settings import Settings


@asynccontextmanager
async def engines_alone(
    settings: Settings,
    progress: Progress,
    *,
    recogniser: Asr | None = None,
    synthesisers: Sequence[Tts] | None = None,
    personaplex: Engine | None = None,
) -> AsyncIterator[Sessions]:
    """Sessions on the settings' engines, recogniser and personas, with neither tools nor a recorder. The database and the recordings of
    the settings are not touched, so a server may be running on them. The last three are used instead of choosing, as in `assemble`.

    Raises what `assemble` raises.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-") as scratch:
        own = settings.data_dir / "personas"
        if own.is_dir():
            await asyncio.to_thread(shutil.copytree, own, Path(scratch) / "personas")
        apart = settings.model_copy(update={"data_dir": Path(scratch), "db": ":memory:", "recording": False})
        bench = await assemble(apart, progress=progress, recogniser=recogniser, synthesisers=synthesisers, personaplex=personaplex)
        try:
            sessions = Sessions(replace(bench.sessions.parts, bridge_for=None, recorder=None))
            try:
                yield sessions
            finally:
                await sessions.stop()
        finally:
            await bench.close()
