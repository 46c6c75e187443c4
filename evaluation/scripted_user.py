"""A scenario's user: the microphone of a talk, and a watcher of it that waits for its cues.

Sample-exact: a step begins at the sample it was due at, in whichever frame that falls. What was really played is in `spans`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluation.scenario import Scenario, Step, Type, When
from evaluation.user_sound import Sounds, jitter_samples, noise_between, noise_of
from workbench.audio.frames import SAMPLES_PER_MS, Pcm
from workbench.audio.timeline import TimelineFrame
from workbench.bridge.heard import heard_words
from workbench.dynamics.segments import Segment
from workbench.events import AgentSpeech, AgentText, Event, ToolFinished, ToolStarted

FIRST_AT_MS = 500.0
"""A first step that names no moment comes this long after the talk began."""


class ScriptedUser:
    """A `UserInput` and an `Observer` of the same talk."""

    def __init__(self, scenario: Scenario, sounds: Sounds, *, seed: int, write: Callable[[str], None]) -> None:
        """`sounds`: of every step with sound (`user_sound.render`); `write` is called with each typed utterance.

        Raises ScenarioError for babble without voices.
        """
        self.spans: dict[str, Segment] = {}
        """Where each step fell, samples of session time. A typed one is one sample long."""
        self.missed: list[str] = []
        """Steps whose cue never came."""
        self._sounds = sounds
        self._write = write
        self._seed = seed
        self._waiting = list(scenario.user)
        self._playing: list[tuple[int, Pcm]] = []
        self._ended: dict[str, int] = {}
        self._last_begin = self._last_end = 0
        self._cues: list[tuple[str, int]] = []
        self._pieces: list[AgentText] = []
        self._noises = [(noise, noise_of(noise, scenario.folder, seed)) for noise in scenario.noise]
        self._echo = scenario.echo
        self._heard: list[tuple[int, Pcm]] = []
        self._position = 0

    @property
    def exhausted(self) -> bool:
        """Every step was played or missed."""
        return not self._waiting and not self._playing

    def take(self, samples: int, now_samples: int) -> TimelineFrame:
        """The next `samples` of the user's microphone."""
        start, end = self._position, self._position + samples
        self._schedule(end)
        frame = np.zeros(samples, dtype=np.float32)
        for noise, period in self._noises:
            frame += noise_between(noise, period, start, samples)
        frame += self._echoed(start, samples)
        for begin, sound in self._playing:
            _mix(frame, start, begin, sound)
        self._playing = [(begin, sound) for begin, sound in self._playing if begin + sound.size > end]
        self._position = end
        return TimelineFrame(np.clip(frame, -1.0, 1.0))

    def on_event(self, event: Event) -> None:
        match event:
            case AgentSpeech(edge="start"):
                self._cues.append(("agent_starts", event.at_samples))
            case AgentSpeech():
                self._cues.append(("agent_stops", event.at_samples))
            case AgentText():
                self._pieces.append(event)
            case ToolStarted():
                self._cues.append(("tool_started", event.at_samples))
            case ToolFinished():
                self._cues.append(("tool_finished", event.at_samples))
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        if self._echo is not None and (self._echo.to_ms is None or start_samples < self._echo.to_ms * SAMPLES_PER_MS):
            delay = round(self._echo.delay_ms * SAMPLES_PER_MS)
            self._heard.append((start_samples + delay, agent * np.float32(10 ** (self._echo.gain_db / 20))))

    def _schedule(self, frame_end: int) -> None:
        """Starts every step that is due before the end of this frame. Steps are taken in the order of the file."""
        while self._waiting:
            step = self._waiting[0]
            due = self._due(step)
            if due is None:
                if step.when is not None and self._position >= self._last_end + step.when.within_ms * SAMPLES_PER_MS:
                    self._waiting.pop(0)
                    self.missed.append(step.id)
                    self._over(step.id, self._position)
                    continue
                return
            # What was due before it was known to be is late by that much: nobody hears a cue before it sounds.
            begin = max(due, self._position, self._last_begin)
            if begin >= frame_end:
                return
            self._waiting.pop(0)
            self._start(step, begin)

    def _start(self, step: Step, begin: int) -> None:
        if isinstance(step, Type):
            self._write(step.text)
            end = begin + 1
        else:
            sound = self._sounds[step.id]
            self._playing.append((begin, sound))
            end = begin + sound.size
        self._last_begin = begin
        self.spans[step.id] = Segment(begin, end)
        self._over(step.id, end)

    def _over(self, step_id: str, end: int) -> None:
        self._ended[step_id] = self._last_end = end

    def _due(self, step: Step) -> int | None:
        """The sample at which a step begins; None while its cue has not come."""
        when = step.when
        if when is None:
            return self._last_end or round(FIRST_AT_MS * SAMPLES_PER_MS)
        later = round(when.offset_ms * SAMPLES_PER_MS) + jitter_samples(step.id, when.jitter_ms, self._seed)
        if when.at_ms is not None:
            return round(when.at_ms * SAMPLES_PER_MS) + later
        if when.after is not None:
            return self._ended[when.after] + later
        cue = self._cue(when, later)
        return None if cue is None else cue + later

    def _cue(self, when: When, later: int) -> int | None:
        armed = self._last_end
        if when.cue == "talk_start":
            return 0
        if self._position < armed:
            return None
        happened = [("agent_words", word.at_samples) for word in heard_words(self._pieces)] if when.cue == "agent_words" else self._cues
        times = [at for name, at in happened if name == when.cue and at >= armed]
        if when.cue == "agent_starts" and self._spoke_at(armed):
            # It was speaking already: that is the first of them.
            times.insert(0, armed)
        if when.cue == "agent_stops":
            times = [at for at in times if not self._began_between(at, at + later)]
        return times[when.nth - 1] if len(times) >= when.nth else None

    def _spoke_at(self, at: int) -> bool:
        edges = [name for name, edge_at in self._cues if name in ("agent_starts", "agent_stops") and edge_at < at]
        return bool(edges) and edges[-1] == "agent_starts"

    def _began_between(self, start: int, end: int) -> bool:
        return any(name == "agent_starts" and start < at < end for name, at in self._cues)

    def _echoed(self, start: int, samples: int) -> Pcm:
        frame = np.zeros(samples, dtype=np.float32)
        for begin, sound in self._heard:
            _mix(frame, start, begin, sound)
        self._heard = [(begin, sound) for begin, sound in self._heard if begin + sound.size > start + samples]
        return frame


def _mix(frame: Pcm, start: int, begin: int, sound: Pcm) -> None:
    """Adds what of a sound that begins at `begin` falls into a frame that begins at `start`."""
    first, last = max(start, begin), min(start + frame.size, begin + sound.size)
    if first < last:
        frame[first - start : last - start] += sound[first - begin : last - begin]
