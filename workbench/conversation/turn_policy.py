"""When a silence of the user is the end of the turn.

smart-turn's probability decides how long to wait: a sure end is taken after a short hold, an unsure one waits for the cap, so that a
thinking pause is not cut and a finished sentence is not kept waiting. The thresholds are those of a prototype measured on real clips.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """Times are milliseconds of silence as the detector counts it (it lags true silence by some 70 ms)."""

    checks: tuple[tuple[float, float], ...] = ((128.0, 0.5), (400.0, 0.5), (640.0, 0.4))
    """(silence at which the model is asked, probability from which the turn counts as complete)."""
    min_hold_ms: float = 200.0
    """No turn ends before this, whatever the model says."""
    cap_ms: float = 800.0
    """Every turn ends after this, whatever the model says."""
    decode_after_ms: float = 128.0
    """Silence after which the recogniser is asked for the words, before it is known that the turn is over. With the first check, so
    that words, judgement and the first clause of the reply are all ready at the tick after `min_hold_ms`."""
    fixed_hold_ms: float | None = None
    """Set: the model is not asked, and every turn ends after this."""

    def next_check(self, asked: int, silence_ms: float) -> bool:
        """Whether the model is to be asked (again), after `asked` times."""
        return self.fixed_hold_ms is None and asked < len(self.checks) and silence_ms >= self.checks[asked][0]

    def required_ms(self, scores: list[float]) -> float:
        """Silence after which the turn is over, given the model's answers so far."""
        if self.fixed_hold_ms is not None:
            return self.fixed_hold_ms
        for score, (_silence, threshold) in zip(scores, self.checks, strict=False):
            if score >= threshold:
                return self.min_hold_ms
        return self.cap_ms
