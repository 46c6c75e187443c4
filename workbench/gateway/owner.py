"""What the owner thread does: seats visitors in rows, takes prompts in between ticks, steps the rows, ends what must end.

No locks and no waiting here: everything is called from one thread, and a test may call it from its own.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm
from workbench.gateway.metrics import Metrics
from workbench.gateway.model import Frames, Model
from workbench.gateway.prefill import PrefillError
from workbench.gateway.prompts import EPAD, PAD, PromptError
from workbench.gateway.rollover import Action
from workbench.gateway.say import Line, SayError, is_audible
from workbench.gateway.seat import Reason, Seat
from workbench.gateway.snapshots import Snapshot

log = logging.getLogger(__name__)
RECENT_TICKS = 375
"""30 s of talk."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a talk ends by itself, and how many visitors may wait for a row."""

    idle_s: float = 30.0
    length_s: float = 3_600.0
    waiting: int = 16


@dataclass(slots=True)
class _Job:
    """A prompt being taken in: for a seat that is not live yet, or for its rollover."""

    seat: Seat
    steps: Iterator[Snapshot | None]


class Owner:
    """The rows of one model and who sits in them."""

    def __init__(self, model: Model, *, limits: Limits | None = None, metrics: Metrics | None = None) -> None:
        self.model = model
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        self.metrics.slots.set(model.rows)
        self.waiting: deque[Seat] = deque()
        self.rows: list[Seat | None] = [None] * model.rows
        self.steps_s: deque[float] = deque(maxlen=RECENT_TICKS)
        """What the last ticks took."""
        self._jobs: deque[_Job] = deque()
        self._running: _Job | None = None

    @property
    def live(self) -> list[Seat]:
        """Seats whose prompt is taken in, in order of their rows."""
        return [seat for seat in self.rows if seat is not None and seat.live]

    @property
    def preparing(self) -> bool:
        """A prompt waits to be taken in."""
        return bool(self._jobs)

    def admit(self) -> None:
        """Gives free rows to those who wait, and tells the others their place."""
        while self.waiting and None in self.rows:
            seat = self.waiting.popleft()
            seat.row = self.rows.index(None)
            self.rows[seat.row] = seat
            seat.began_s = seat.heard_s = time.monotonic()
            self._welcome(seat)
        for position, seat in enumerate(list(self.waiting), start=1):
            if seat.position != position:
                seat.position = position
                self._tell(seat, seat.listener.waiting, position)
        self.metrics.busy.set(self.model.rows - self.rows.count(None))
        self.metrics.queue.set(len(self.waiting))

    def prepare_next(self) -> None:
        """Takes in one chunk of one prompt. A rollover goes first: it has a deadline."""
        job = self._running or next((job for job in self._jobs if job.seat.live), self._jobs[0])
        self._running = job
        try:
            snapshot = next(job.steps)
        except PrefillError as error:
            self._forget(job)
            self.end(job.seat, "prompt", str(error))
            return
        if snapshot is None:
            return
        self._forget(job)
        self.metrics.snapshot_bytes.set(self.model.snapshots.held_bytes)
        if job.seat.live:
            job.seat.next_prompt = snapshot
        elif job.seat.row is not None:
            self._begin(job.seat, job.seat.row, snapshot)

    def tick(self) -> None:
        """Steps every live row that has a frame; the others pause."""
        user = np.zeros((self.model.rows, FRAME_SAMPLES), dtype=np.float32)
        active = [False] * self.model.rows
        stepped: list[tuple[int, Seat]] = []
        for seat in self.live:
            if seat.row is None or not seat.frames:
                seat.paused += 1
                self.metrics.paused.inc()
                continue
            user[seat.row] = seat.frames.popleft()
            active[seat.row] = True
            stepped.append((seat.row, seat))
        began_s = time.perf_counter()
        frames = self.model.step(user, active)
        took_s = time.perf_counter() - began_s
        self.metrics.step.observe(took_s)
        self.steps_s.append(took_s)
        if took_s > FRAME_MS / 1_000:
            self.metrics.missed.inc()
        for row, seat in stepped:
            self._hand_out(row, seat, user[row], frames)

    def expire(self) -> None:
        """Ends talks that are idle or over their length."""
        now_s = time.monotonic()
        for seat in self.live:
            if now_s - seat.heard_s > self.limits.idle_s:
                self.end(seat, "idle", f"no sound came for {self.limits.idle_s:.0f} s; call again")
            elif now_s - seat.began_s > self.limits.length_s:
                self.end(seat, "length", f"a talk ends after {self.limits.length_s / 60:.0f} minutes here; call again")

    def end(self, seat: Seat, reason: Reason, message: str) -> None:
        """Ends one talk, wherever it stands, and leaves nothing of it in its row. A second end does nothing."""
        if seat.closed:
            return
        seat.closed = True
        self.metrics.ended.labels(reason).inc()
        if seat in self.waiting:
            self.waiting.remove(seat)
        for job in [job for job in self._jobs if job.seat is seat]:
            self._forget(job)
        if seat.row is not None:
            self.rows[seat.row] = None
            if seat.live:
                self.model.clear(seat.row)
            seat.live = False
        try:
            seat.listener.ended(reason, message)
        except Exception:  # a listener's fault is its own; the talk is over anyway
            log.exception("a listener failed at the end of its talk")

    def end_all(self, reason: Reason, message: str) -> None:
        """Ends everybody's talk."""
        for seat in [*self.waiting, *(seat for seat in self.rows if seat is not None)]:
            self.end(seat, reason, message)

    def send_away(self, message: str) -> None:
        """Ends the waiting of those who have no row."""
        for seat in tuple(self.waiting):
            self.end(seat, "shutdown", message)

    def say(self, seat: Seat, line: Line) -> None:
        """Queues a line, and loads it when nothing else is being said."""
        try:
            seat.speech.add(line)
        except SayError as error:
            self._tell(seat, seat.listener.notice, "refused", {"id": line.say_id, "message": str(error)})
            return
        if seat.live and seat.row is not None:
            self._load_next(seat, seat.row)

    def note_dropped(self, seat: Seat, frames: int) -> None:
        """Counts frames that fell out of a seat's queue, and tells the visitor."""
        self.metrics.dropped.inc(frames)
        self._tell(seat, seat.listener.notice, "dropped", {"frames": frames, "in_all": seat.dropped})

    def hold(self, seat: Seat, frames: int) -> None:
        """Keeps a live persona quiet for `frames`, once it has nothing to say."""
        if seat.live and seat.row is not None:
            self.model.generator.scripts.hold(seat.row, frames)

    def interrupt(self, seat: Seat, hold_frames: int) -> None:
        """Drops what is still to be said, tells what was heard of it, and holds."""
        for line in seat.speech.interrupt():
            self._report(seat, line)
        if seat.live and seat.row is not None:
            self.model.generator.scripts.drop(seat.row)
        self.hold(seat, hold_frames)

    def _welcome(self, seat: Seat) -> None:
        try:
            self._take_in(seat, seat.request.text_ids)
        except PromptError as error:
            self.end(seat, "prompt", str(error))

    def _take_in(self, seat: Seat, text_ids: tuple[int, ...]) -> None:
        prompt = self.model.prompt(seat.request.voice, text_ids)
        self._jobs.append(_Job(seat, self.model.prefiller.steps(prompt)))

    def _forget(self, job: _Job) -> None:
        self._jobs.remove(job)
        if self._running is job:
            self._running = None

    def _begin(self, seat: Seat, row: int, snapshot: Snapshot) -> None:
        request = seat.request
        self.model.join(row, snapshot, request.sampling, request.seed)
        seat.live = True
        seat.frames.clear()
        seat.heard_s = time.monotonic()
        ready_s = seat.heard_s - seat.began_s
        self.metrics.ready.observe(ready_s)
        self._load_next(seat, row)
        facts = {"seed": request.seed, "voice": request.voice.name, "prompt_frames": snapshot.positions, "ready_ms": ready_s * 1_000}
        self._tell(seat, seat.listener.ready, facts)

    def _hand_out(self, row: int, seat: Seat, user: Pcm, frames: Frames) -> None:
        if not frames.finite[row]:
            self.end(seat, "failed", "the model's numbers broke in this talk; call again, and choose lower temperatures if it repeats")
            return
        pcm, mark = frames.pcm[row].copy(), int(frames.marks[row])
        if mark == 0:
            # A sign that the model was spelling by itself is cut off by the first piece of what it is made to say.
            seat.joiner.flush()
        token = int(frames.tokens[row, 0])
        piece = seat.joiner.add(self.model.piece(token))
        audible = is_audible(pcm)
        self._tell(seat, seat.listener.frame, pcm, piece, mark >= 0)
        done = seat.speech.frame(seat.stepped, mark, audible)
        seat.stepped += 1
        if done is not None:
            self._report(seat, done)
            self._load_next(seat, row)
        quiet = token in (EPAD, PAD) and not audible and not is_audible(user) and seat.speech.current is None
        action = seat.rollover.frame(self.model.generator.positions[row], quiet=quiet, piece=piece, ready=seat.next_prompt is not None)
        if seat.live and action != "none":
            self._roll(row, seat, action)

    def _roll(self, row: int, seat: Seat, action: Action) -> None:
        if action == "prepare":
            try:
                self._take_in(seat, self.model.text_ids(seat.rollover.text(seat.request.text)))
            except PromptError as error:
                self._tell(seat, seat.listener.notice, "account_refused", {"message": str(error)})
                self._take_in(seat, seat.request.text_ids)
        elif seat.next_prompt is not None:
            self.model.generator.replace(row, seat.next_prompt)
            seat.next_prompt = None
            seat.rollover.happened(action)
            self.metrics.rollovers.labels("silence" if action == "roll" else "forced").inc()
            self._tell(seat, seat.listener.notice, "rolled_over", {"forced": action == "force", "frame": seat.stepped})

    def _load_next(self, seat: Seat, row: int) -> None:
        line = seat.speech.next()
        if line is not None:
            pace = seat.speech.pace
            self.model.generator.scripts.load(row, line.pieces, line.begins, lead=pace.lead, budget=pace.budget, tail=pace.tail)

    def _report(self, seat: Seat, line: Line) -> None:
        facts = {
            "id": line.say_id,
            "words_asked": len(line.words),
            "words_heard": line.heard,
            "first_heard_frame": line.first_heard,
            "interrupted": line.interrupted,
        }
        self._tell(seat, seat.listener.notice, "said", facts)

    def _tell(self, seat: Seat, told: Callable[..., None], *facts: object) -> None:
        if seat.closed:
            return
        try:
            told(*facts)
        except Exception:  # whatever a listener does ends its own talk, never the batch
            log.exception("a listener failed; its talk ends")
            self.end(seat, "failed", "the connection to this talk broke")
