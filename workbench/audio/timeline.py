"""The user's packets, put onto session time: what was lost becomes silence, and two clocks are kept together.

A packet has a place on the client's clock (`media`), a talk has its own clock. `UserTimeline` keeps one number, the media position
that is read next, and moves it only in four ways, all of them told: on with every frame; by a correction of 20 ms in a pause, when
the clocks have drifted apart or the client's network needs another margin; by waiting, when no sound has come; by dropping the
oldest sound, when more than `max_backlog_ms` is waiting.

The margin (`depth_ms`) is how long a packet that met no queue waits before its last sample is read. It is the target given at first,
later the jitter seen (99th percentile) where that is more. Packets longer than 20 ms cost their excess length besides, because
their first sample is older than their last.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from workbench.audio.delay import DelayEstimator
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, ms_to_samples, samples_to_ms, silence
from workbench.audio.packets import WaitingPackets
from workbench.audio.splice import FADE_SAMPLES, lengthen, quietest, shorten

CORRECTION_SAMPLES = 480
"""One correction: 20 ms."""
DROP_ABOVE = ms_to_samples(18)
"""So far above the margin wanted, 20 ms are dropped in the next pause."""
INSERT_BELOW = -ms_to_samples(4)
"""So far below it, 20 ms are inserted in the next pause."""
FORCE_EXTRA = ms_to_samples(2)
FORCE_AFTER = 3 * SAMPLE_RATE
"""When it has been `FORCE_EXTRA` beyond either for 3 s without a pause, it happens in mid-speech, at the quietest place of the frame."""
FORCE_EVERY = SAMPLE_RATE
"""Not more than one correction a second in mid-speech."""
GUARD = ms_to_samples(6)
"""Margin above the jitter seen: it covers `INSERT_BELOW` and the estimate's own error."""
FOREIGN_CLOCK_SAMPLES = 60 * SAMPLE_RATE
"""A packet that came this much after the tick was stamped by another clock than the session's."""
PAUSE_SAMPLES = SAMPLE_RATE // 2
"""Silent for this long, the client has stopped sending; what comes next begins afresh."""
JUMP_SAMPLES = 2 * SAMPLE_RATE
"""A timestamp this far from the one expected is a new numbering, not a loss."""
LONGEST_PACKET = ms_to_samples(120)
QUIET_RMS = 0.004
"""-48 dBFS: sound below this counts as a pause."""
EARLY_LEAD = ms_to_samples(200)
"""So much of the quiet before the first early sound is kept: words begin softer than that."""
EARLY_PACKETS = 15
"""Fewer packets from before the talk tell nothing of the jitter."""
EARLY_PERCENTILE, EARLY_SPREAD = 90.0, 1.5
"""Of their jitter, and how much more the slowest packets will take: one moment in which the server itself was busy opening the talk is
not the network's, so the highest values of so few packets are left out."""
_REVIEW_TAKES = 12


@dataclass(frozen=True, slots=True)
class TimelineFrame:
    """One frame of the user on session time, and what was done to make it."""

    pcm: Pcm
    """[samples asked for] float32 at 24 kHz."""
    lost_samples: int = 0
    """Sound now known to be lost; silence of the same length stands for it."""
    lost_packets: int = 0
    """The same in packets of the length that comes. A packet across two frames is counted once, with the greater part of it."""
    dropped_samples: int = 0
    """Sound thrown away since the last frame, because more was waiting than the backlog allows."""
    waited_samples: int = 0
    """Silence in this frame because no sound had come in time. What follows is not lost, it is heard later by as much."""
    delayed_samples: int = 0
    """By how much sound is now known to be heard later: what was waited before, less what turned out to be lost meanwhile."""
    correction_samples: int = 0
    """+480: 20 ms were inserted, -480: 20 ms were left out. The frame's length is the same."""
    forced: bool = False
    """The correction fell into speech, because there was no pause for too long."""
    drift_ppm: float | None = None
    """The client's clock against the session's, positive = fast; None while unknown."""


@dataclass(slots=True)
class TimelineCounts:
    """Everything that happened to one user's packets."""

    packets: int = 0
    lost_samples: int = 0
    waited_samples: int = 0
    dropped_samples: int = 0
    """Thrown away because the client sent faster than real time."""
    late_packets: int = 0
    """Came after their place was read; they had been counted as lost."""
    duplicate_packets: int = 0
    jumps: int = 0
    """Timestamps that began a new numbering."""
    corrections: int = 0
    forced_corrections: int = 0


@dataclass(frozen=True, slots=True)
class _Splice:
    shift: int
    """Samples to leave out (positive) or to insert (negative)."""
    where: int
    forced: bool

    def apply(self, pcm: Pcm) -> Pcm:
        return shorten(pcm, self.where, self.shift) if self.shift > 0 else lengthen(pcm, self.where, -self.shift)


class UserTimeline:
    """One user's packets on one talk's clock. No clock and no tasks of its own: time comes in with the calls.

    `adaptive=False` is for sound that is on the session's clock already (a file, a scripted user): it is passed on in order,
    unchanged and without any margin.
    """

    def __init__(
        self,
        *,
        target_depth_ms: float = 20.0,
        max_depth_ms: float = 200.0,
        max_backlog_ms: float = 3_000.0,
        quiet_rms: float = QUIET_RMS,
        adaptive: bool = True,
    ) -> None:
        self._target = ms_to_samples(target_depth_ms)
        self._most = max(self._target, ms_to_samples(max_depth_ms))
        self._backlog = ms_to_samples(max_backlog_ms)
        self._quiet_rms = quiet_rms
        self._adaptive = adaptive
        self._delay = DelayEstimator()
        self._packets = WaitingPackets()
        self._sizes: deque[int] = deque(maxlen=16)
        self._read: int | None = None
        """Media position of the next sample; None until sound has begun (again)."""
        self._next: int | None = None
        """Media position after the newest packet."""
        self._renumber = 0
        self._wanted = float(self._target)
        self._waited = 0
        self._before_pause: tuple[int, float] | None = None
        """While the client has stopped sending: where its sound ended, as media position, and when the newest packet had come."""
        self._lost_in_pause = 0
        self._lost_rest = 0
        """Lost samples not told as packets so far; negative where a packet was told with its greater part."""
        self._latest_arrival = 0.0
        self._told_dropped = 0
        self._takes = 0
        self._force_from: int | None = None
        """Session time from which on a correction may fall into speech; None while none is pressing."""
        self.counts = TimelineCounts()

    @property
    def depth_ms(self) -> float:
        """The margin aimed at just now."""
        return samples_to_ms(round(self._depth))

    @property
    def buffered_samples(self) -> int:
        """From the next sample to be read to the newest that has come."""
        if not self._packets:
            return 0
        begin = self._packets.begin if self._read is None else self._read
        return self._end - begin

    def push(self, pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
        """One packet, [n] float32. `media_samples`: its timestamp on the client's clock in samples at 24 kHz; None when packets
        follow each other without gaps (TCP). `arrival_s`: session time of its arrival, in seconds."""
        if pcm.ndim != 1:
            raise ValueError(f"pcm has shape {pcm.shape}; pass mono samples of shape [n]")
        if not pcm.size:
            return
        arrival = arrival_s * SAMPLE_RATE
        self.counts.packets += 1
        media = self._place(media_samples, pcm.size)
        self._resume(media, arrival)
        self._latest_arrival = max(self._latest_arrival, arrival)
        self._sizes.append(min(pcm.size, LONGEST_PACKET))
        self._delay.observe(arrival, media + pcm.size)
        if self._read is not None and media + pcm.size <= self._read:
            self.counts.late_packets += 1
            return
        if not self._packets.insert(media, pcm):
            self.counts.duplicate_packets += 1
            return
        if (excess := self.buffered_samples - self._backlog) > 0:
            self._drop_oldest(excess)

    def take(self, samples: int = FRAME_SAMPLES, now_samples: int = 0) -> TimelineFrame:
        """The next frame of the user. `now_samples`: session time at its end, that is the tick at which it is taken.

        Raises ValueError when packets came far later than now: `arrival_s` was not session time. Some seconds are no fault: a tick
        that was held up is late, and packets have gone on coming.
        """
        if self._latest_arrival > now_samples + FOREIGN_CLOCK_SAMPLES:
            raise ValueError(
                f"a packet arrived at {self._latest_arrival / SAMPLE_RATE:.1f} s, but now is {now_samples / SAMPLE_RATE:.1f} s"
            )
        self._review()
        begin = self._read if self._read is not None else self._begin(samples, now_samples)
        if begin is None:
            return TimelineFrame(silence(samples), drift_ppm=self._delay.drift_ppm)
        lost, delayed = self._absorb_wait(begin)
        begin += lost
        splice = self._correction(begin, samples, now_samples)
        asked = samples + (splice.shift if splice else 0)
        there = max(0, min(asked, self._end - begin))
        pcm, holes = self._packets.cut(begin, there)
        if splice:
            pcm = splice.apply(pcm)
            self.counts.corrections += 1
            self.counts.forced_corrections += splice.forced
        waited = samples - pcm.size
        if waited:
            pcm = np.concatenate((pcm, silence(waited)))
        self._read = begin + there
        self._wait(waited, there > 0)
        lost += holes + self._lost_in_pause
        self._lost_in_pause = 0
        self.counts.lost_samples += lost
        self.counts.waited_samples += waited
        dropped, self._told_dropped = self.counts.dropped_samples - self._told_dropped, self.counts.dropped_samples
        return TimelineFrame(
            pcm,
            lost_samples=lost,
            dropped_samples=dropped,
            lost_packets=self._as_packets(lost),
            waited_samples=waited,
            delayed_samples=delayed,
            correction_samples=samples - asked,
            forced=bool(splice and splice.forced),
            drift_ppm=self._delay.drift_ppm,
        )

    # --- packets ---

    def _as_packets(self, lost: int) -> int:
        self._lost_rest += lost
        size = max(self._sizes)
        packets = max(0, (2 * self._lost_rest + size) // (2 * size))
        self._lost_rest -= packets * size
        return packets

    @property
    def _end(self) -> int:
        return self._packets.end if self._packets else (self._read or 0)

    def _place(self, media_samples: int | None, size: int) -> int:
        """The packet's media position; a new numbering is joined to the old one."""
        if media_samples is None:
            media = self._next or 0
        else:
            media = media_samples + self._renumber
            if self._next is not None and abs(media - self._next) > JUMP_SAMPLES:
                self._renumber += self._next - media
                self.counts.jumps += 1
                self._delay.forget_rate()
                media = self._next
        self._next = media + size if self._next is None else max(self._next, media + size)
        return media

    def _drop_oldest(self, samples: int) -> None:
        begin = self._packets.begin if self._read is None else self._read
        _pcm, lost = self._packets.cut(begin, samples)
        if self._read is not None:
            self._read = begin + samples
        self.counts.dropped_samples += samples - lost

    # --- clocks ---

    @property
    def _depth(self) -> float:
        """The margin wanted, for packets of the length that come."""
        return self._wanted + max(0, max(self._sizes, default=0) - CORRECTION_SAMPLES)

    def _review(self) -> None:
        """Once a second: take on more margin at once where jitter asks for it, give it back slowly."""
        self._takes += 1
        if self._adaptive and self._takes % _REVIEW_TAKES == 0:
            needed = min(self._most, max(self._target, self._delay.jitter() + GUARD))
            self._wanted = needed if needed > self._wanted else max(needed, self._wanted - 24)

    def _begin(self, samples: int, now: int) -> int | None:
        """The media position at which sound begins, None while nothing is due. Negative distance to the first packet = silence."""
        if not self._packets:
            return None
        first = self._packets.begin
        begin = first
        if self._adaptive:
            if len(self._packets) >= EARLY_PACKETS:
                self._wanted = min(self._most, max(self._wanted, EARLY_SPREAD * self._delay.jitter(EARLY_PERCENTILE) + GUARD))
            grid = min(max(self._sizes), CORRECTION_SAMPLES)
            due = now - self._depth - self._delay.base
            end = self._end - math.ceil((self._end - due) / grid) * grid
            if end <= first:
                return None
            # Sound that came before the talk began is heard from its beginning; the excess goes in the pauses.
            begin = min(self._first_sound(end - samples), end - samples)
        self._delay.forget_jitter()
        self._waited = 0
        if begin < first:
            # The silence before the first packet is not a loss.
            self._packets.insert(begin, silence(first - begin))
        return begin

    def _first_sound(self, latest: int) -> int:
        """Where early sound begins to be worth hearing: the quiet before the first word would only delay the talk."""
        first = self._packets.begin
        for media, pcm in self._packets:
            if media >= latest:
                break
            if float(np.sqrt(np.mean(np.square(pcm)))) > self._quiet_rms:
                return max(first, media - EARLY_LEAD)
        return max(first, latest)

    def _correction(self, begin: int, samples: int, now: int) -> _Splice | None:
        """What to leave out of the frame, or to insert."""
        step = CORRECTION_SAMPLES
        if not self._adaptive or samples < 2 * step + FADE_SAMPLES:
            return None
        error = now - (begin + samples) - self._delay.base - self._depth
        shift = step if error >= DROP_ABOVE else -step if error <= INSERT_BELOW else 0
        if not INSERT_BELOW - FORCE_EXTRA < error < DROP_ABOVE + FORCE_EXTRA:
            self._force_from = self._force_from if self._force_from is not None else now + FORCE_AFTER
        else:
            self._force_from = None
        if not shift or self._end - begin < samples + shift:
            return None
        where, rms = quietest(self._packets.peek(begin, samples + shift)[0], step + FADE_SAMPLES)
        if rms <= self._quiet_rms:
            return _Splice(shift, where, forced=False)
        if self._force_from is None or now < self._force_from:
            return None
        self._force_from = now + FORCE_EVERY
        return _Splice(shift, where, forced=True)

    def _absorb_wait(self, begin: int) -> tuple[int, int]:
        """Sound is here again after a wait: the silence already heard stands for what was lost meanwhile, the rest is delay."""
        if not self._waited or not self._packets:
            return 0, 0
        found = min(self._waited, max(0, self._packets.begin - begin))
        if self._waited >= FRAME_SAMPLES:
            self._delay.forget_offset()
        delayed, self._waited = self._waited - found, 0
        return found, delayed

    def _wait(self, waited: int, any_sound: bool) -> None:
        self._waited = (0 if any_sound else self._waited) + waited
        if self._adaptive and self._waited >= PAUSE_SAMPLES:
            self._before_pause = (self._read, self._latest_arrival) if self._read is not None else None
            self._read = None
            self._next = None
            self._waited = 0
            self._delay.forget_rate()

    def _resume(self, media: int, arrival: float) -> None:
        """The first packet after a pause: where its timestamp has gone on as time has, the sound between was sent, and is lost."""
        if self._before_pause is None:
            return
        (ended, before), self._before_pause = self._before_pause, None
        missing = media - ended
        if 0 < missing <= arrival - before + PAUSE_SAMPLES:
            self._lost_in_pause += missing
