"""Whether a scenario held in real time and in virtual time is the same talk: the same turns, tool calls and verdicts, replies as late.

Both run the same `Conversation`; only the clock differs. Virtual time charges what work was measured to need.
"""

from __future__ import annotations

from evaluation.expectations import judge
from evaluation.heard_talk import HeardTalk
from evaluation.hold import HeldTalk
from evaluation.scenario import Scenario
from workbench.audio.frames import FRAME_MS
from workbench.dynamics.turns import turns
from workbench.events import FrameTiming

FTO_TOLERANCE_MS = 3.0 * FRAME_MS
"""Floor-transfer offsets may differ by so much. A result that is ready a moment after a tick waits for the next one, which takes up to a
frame at each of three hand-overs: the end of the turn, its words, and the first sound of the answer. In real time comes how late the
machine was beside it (`lateness_ms`), since its frames left that much after they were due."""


def lateness_ms(held: HeldTalk) -> float:
    """The latest that a frame of the talk left after it was due; 0 in virtual time."""
    return max((event.late_ms for event in held.events if isinstance(event, FrameTiming)), default=0.0)


def disagreements(scenario: Scenario, realtime: HeldTalk, virtual: HeldTalk) -> list[str]:
    """What differs beyond the tolerance, in words; empty when both agree."""
    first, second = HeardTalk(realtime), HeardTalk(virtual)
    found = []
    whole = (
        ("steps missed", realtime.missed, virtual.missed),
        ("end", realtime.ended_reason, virtual.ended_reason),
        ("tool calls", [(c.tool, c.status, c.said) for c in first.tool_calls], [(c.tool, c.status, c.said) for c in second.tool_calls]),
        ("verdicts", *([(v.name, v.passed) for v in judge(scenario, held)] for held in (realtime, virtual))),
    )
    found += [f"{what}: {one} in real time, {two} in virtual time" for what, one, two in whole if one != two]
    taken = [turns(talk.tracks.user, talk.tracks.agent) for talk in (first, second)]
    speakers = [[turn.speaker for turn in own] for own in taken]
    if speakers[0] != speakers[1]:
        return [*found, f"turns: {', '.join(speakers[0])} in real time, {', '.join(speakers[1])} in virtual time"]
    tolerance_ms = FTO_TOLERANCE_MS + lateness_ms(realtime)
    for number, (one, two) in enumerate(zip(*taken, strict=True), start=1):
        if one.fto_ms is not None and two.fto_ms is not None and abs(one.fto_ms - two.fto_ms) > tolerance_ms:
            found.append(
                f"turn {number}: FTO {one.fto_ms:.0f} ms in real time, {two.fto_ms:.0f} ms in virtual time; {tolerance_ms:.0f} ms allowed"
            )
    return found
