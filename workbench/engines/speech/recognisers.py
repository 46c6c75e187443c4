"""Which recogniser listens, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workbench.engines.speech.base import Asr, SpeechError
from workbench.engines.speech.moonshine_asr import MoonshineAsr
from workbench.engines.speech.moonshine_model import fetch, preferred
from workbench.engines.speech.pocketsphinx_asr import PocketsphinxAsr

NAMES = ("moonshine", "pocketsphinx")
"""The recognisers, best first."""

HONEST = "its word error rate is about 40 % (measured, 34 clips, 365 words), so use short commands"


async def choose_recogniser(requested: str = "auto", progress: Callable[[str], None] | None = None) -> Asr:
    """`auto`: moonshine when its model is cached or can be fetched (`progress` tells how far), else pocketsphinx, which is always there.

    Whether the model can be fetched is asked once and takes at most 3 s. Raises SpeechError with the repair for a recogniser that was
    asked for by name and cannot be used.
    """
    if requested not in ("auto", *NAMES):
        raise SpeechError(f"there is no recogniser {requested[:80]!r}; take auto or one of: {', '.join(NAMES)}")
    if requested == "pocketsphinx":
        return PocketsphinxAsr(f"Pocketsphinx was asked for by name; {HONEST}.")
    try:
        return await _moonshine(requested, progress or (lambda _message: None))
    except SpeechError as error:
        if requested == "moonshine":
            raise SpeechError(f"the recogniser moonshine was asked for and cannot be used: {error}") from error
        return PocketsphinxAsr(f"Pocketsphinx, because moonshine cannot be used: {error}. Of pocketsphinx, {HONEST}.")


async def _moonshine(requested: str, report: Callable[[str], None]) -> Asr:
    model = preferred()
    found = "was in the cache" if model.cached else "was fetched"
    await fetch(model, report)
    asked = "was asked for by name" if requested == "moonshine" else "is the better recogniser"
    why = f"Moonshine {asked} and its model {model.name} {found}; published word error rate {model.word_error_rate:g} %, not measured here."
    return await asyncio.to_thread(MoonshineAsr, model.folder, model.arch, why)
