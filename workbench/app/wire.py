"""Events as the browser gets them: plain JSON, times in ms of session time, every text bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from workbench.audio.frames import samples_to_ms
from workbench.events import AudioDelayed, ClockCorrected, Event, FrameTiming, IntentFound, PlayoutLost, StageTiming, ToolFinished

MAX_TEXT_CHARS = 4_000
"""A longer text is cut: the page is for watching, the store keeps the whole."""
MAX_ITEMS = 32
"""So many entries of a list or an object are shown."""

_FOR_MEASURES_ONLY = (FrameTiming, StageTiming, AudioDelayed, ClockCorrected, PlayoutLost, IntentFound)


def wire(event: Event) -> dict[str, Any] | None:
    """The event for the page, None when the page does not show its kind. `samples` in a name becomes `ms`."""
    if isinstance(event, _FOR_MEASURES_ONLY):
        return None
    payload = event.payload()
    if isinstance(event, ToolFinished):
        payload["result"] = json.dumps(payload["result"], ensure_ascii=False, default=str)
    shown = {"kind": event.kind, "at_ms": samples_to_ms(event.at_samples), "noticed_ms": samples_to_ms(event.noticed_samples)}
    for name, value in payload.items():
        if name.endswith("samples"):
            shown[name.removesuffix("samples") + "ms"] = None if value is None else samples_to_ms(value)
        else:
            shown[name] = _bounded(value)
    return shown


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT_CHARS else value[: MAX_TEXT_CHARS - 1] + "…"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _bounded(entry) for key, entry in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple):
        return [_bounded(entry) for entry in value[:MAX_ITEMS]]
    return value
