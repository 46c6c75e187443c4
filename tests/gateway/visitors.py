"""Visitors of a gateway whose owner is driven from the test's own thread."""

from __future__ import annotations

from typing import Any

from workbench.audio.frames import Pcm
from workbench.gateway.owner import Owner
from workbench.gateway.rollover import Rollover
from workbench.gateway.sampling import GREEDY, Sampling
from workbench.gateway.seat import Reason, Request, Seat

TEXT = "You are a wise and friendly teacher. Have a casual discussion about the weather."


class Heard:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.info: dict[str, Any] = {}
        self.pcm: list[Pcm] = []
        self.pieces: list[str] = []
        self.forced: list[bool] = []
        self.notices: list[tuple[str, dict[str, Any]]] = []
        self.end: tuple[Reason, str] | None = None

    def waiting(self, position: int) -> None:
        self.places.append(position)

    def ready(self, info: dict[str, Any]) -> None:
        self.info = info

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None:
        self.pcm.append(pcm)
        self.pieces.append(piece)
        self.forced.append(forced)

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        self.notices.append((kind, data))

    def ended(self, reason: Reason, message: str) -> None:
        assert self.end is None
        self.end = (reason, message)


def enter(owner: Owner, *, voice: str = "TINYW0", text: str = TEXT, sampling: Sampling = GREEDY, seed: int = 0) -> Seat:
    model = owner.model
    request = Request(model.find_voice(voice), text, model.text_ids(text), sampling, seed)
    seat = Seat(request, Heard(), Rollover(model.lm.context or 0))
    owner.waiting.append(seat)
    owner.admit()
    return seat


def make_ready(owner: Owner) -> None:
    while owner.preparing:
        owner.prepare_next()


def heard(seat: Seat) -> Heard:
    assert isinstance(seat.listener, Heard)
    return seat.listener
