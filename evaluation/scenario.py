"""Scenarios: what a scripted user does in one talk, and what is expected of the agent. One YAML file each.

    id: pause-mid-request            # the file's name
    category: pauses
    about: A breath inside a request is no invitation.
    user:
      - {do: clip, id: half, clip: clips/half.flac}
      - {do: clip, id: rest, clip: clips/rest.flac, when: {after: half, offset_ms: 700}}
    expect:
      - {expect: silent, between: [half, rest]}
      - {expect: answers, after: rest, within_ms: 4000}

Times are ms of session time. Everything a step names by `after` happens before it in the file, so a script cannot wait for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from workbench.bridge.words import tokens

Category = Literal["turn-taking", "pauses", "interruption", "backchannel", "noise", "tools", "long-talk", "service-role"]
Cue = Literal["talk_start", "agent_starts", "agent_stops", "agent_words", "tool_started", "tool_finished"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]


class Misfit(ValueError):
    """Two parts of a scenario do not fit together. `loc` is the path to the one that is to be mended, as pydantic writes paths."""

    def __init__(self, loc: tuple[int | str, ...], message: str) -> None:
        super().__init__(message)
        self.loc = loc


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class When(_Strict):
    """The moment of a step: at a time of the talk, after another step's end, or at an event.

    Exactly one of `at_ms`, `after` and `cue`. An event counts from the end of the step before it in the file; an agent that speaks at
    that moment has its first `agent_starts` there. A step never begins before the one above it in the file has begun or was missed.
    """

    at_ms: float | None = Field(default=None, ge=0)
    after: Id | None = None
    """The id of an earlier step, from whose last sample `offset_ms` counts."""
    cue: Cue | None = None
    nth: int = Field(default=1, ge=1)
    """The how-manieth such event; of `agent_words`, the how-manieth word."""
    offset_ms: float = Field(default=0, ge=0)
    """After `agent_stops`: of silence. An agent that speaks again before the step is due had only paused, and is waited for."""
    jitter_ms: float = Field(default=0, ge=0)
    """The seed moves the moment by up to this much later, evenly."""
    within_ms: float = Field(default=15_000, gt=0)
    """A cue that has not come by then is missed: the step is left out, and told as missed."""

    @model_validator(mode="after")
    def _one_moment(self) -> When:
        given = [name for name in ("at_ms", "after", "cue") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of at_ms, after and cue; here: {', '.join(given) or 'none'}")
        return self


class _Step(_Strict):
    id: Id
    when: When | None = None
    """None: right after the step before it; the first one at 500 ms."""
    gain_db: float = Field(default=0, ge=-60, le=20)
    """Against the level that every clip and voice is brought to first (`scripted_user.LEVEL_DB`)."""
    side: bool = False
    """Another person in the room: heard by the microphone, not meant for the agent."""


class Clip(_Step):
    """A recording, by its path beside the scenario file."""

    do: Literal["clip"]
    clip: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\.(wav|flac|ogg)$")]


class Say(_Step):
    """A text in a synthesiser's voice."""

    do: Literal["say"]
    text: str = Field(min_length=1, max_length=500)
    voice: str | None = None
    """None: the synthesiser's first."""


class Type(_Strict):
    """A typed utterance: no sound."""

    do: Literal["type"]
    id: Id
    when: When | None = None
    text: str = Field(min_length=1, max_length=500)


class Noise(_Strict):
    """Noise under the user's whole track, or a part of it. `snr_db`: user's speech level over the noise's, both RMS."""

    kind: Literal["white", "pink", "babble"]
    snr_db: float = Field(ge=-10, le=60)
    from_ms: float = Field(default=0, ge=0)
    to_ms: float | None = Field(default=None, gt=0)


class Echo(_Strict):
    """The agent's sound in the user's microphone: later by `delay_ms` (80 or more, a frame) and softer by `gain_db`."""

    delay_ms: float = Field(ge=80, le=1_000)
    gain_db: float = Field(ge=-60, le=0)
    to_ms: float | None = Field(default=None, gt=0)
    """What the agent says after this is not echoed: the canceller has settled."""


class Answers(_Strict):
    """The agent begins to speak within `within_ms` of the end of `after`, and not before `not_before_ms` (below 0: that much early)."""

    expect: Literal["answers"]
    after: Id
    within_ms: float = Field(gt=0)
    not_before_ms: float = -500


class Silent(_Strict):
    """The agent takes no turn between the end of one step and the start of the other. Acknowledgements (backchannels) are allowed."""

    expect: Literal["silent"]
    between: tuple[Id, Id]


class Ignores(_Strict):
    """The agent does not answer `step` (side speech, an acknowledgement): no agent turn begins in `for_ms` after its end."""

    expect: Literal["ignores"]
    step: Id
    for_ms: float = Field(gt=0)


class Yields(_Strict):
    """The agent, speaking when `step` begins, falls silent within `within_ms` of its onset."""

    expect: Literal["yields"]
    step: Id
    within_ms: float = Field(gt=0)


class TalksOn(_Strict):
    """The agent, speaking when `step` begins, goes on: it still speaks, or has finished its words, `for_ms` after the onset."""

    expect: Literal["talks_on"]
    step: Id
    for_ms: float = Field(gt=0)


class Says(_Strict):
    """Words of the agent, after a step or anywhere. Compared as spoken text: no case, no punctuation, numbers in words."""

    expect: Literal["says"]
    after: Id | None = None
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Says:
        if not (self.any_of or self.all_of or self.none_of):
            raise ValueError("give any_of, all_of or none_of")
        for phrase in (*self.any_of, *self.all_of, *self.none_of):
            if not tokens(phrase):
                raise ValueError(f"{phrase!r} holds no word to look for")
        return self


class Tool(_Strict):
    """A tool call with this outcome; `delivered`: its result was said."""

    expect: Literal["tool"]
    tool: str
    status: Literal["success", "error", "cancelled"] = "success"
    times: int = Field(default=1, ge=1)
    delivered: bool | None = None


class NoTool(_Strict):
    """No tool runs in the whole talk."""

    expect: Literal["no_tool"]


class Turns(_Strict):
    """How many turns a side takes in the whole talk."""

    expect: Literal["turns"]
    speaker: Literal["user", "agent"]
    at_least: int = Field(default=0, ge=0)
    at_most: int | None = Field(default=None, ge=0)


class TalkRatio(_Strict):
    """The agent's share of all speech, 0 to 1."""

    expect: Literal["talk_ratio"]
    at_least: float = Field(default=0, ge=0, le=1)
    at_most: float = Field(default=1, ge=0, le=1)


Step = Annotated[Clip | Say | Type, Field(discriminator="do")]
Expectation = Annotated[
    Answers | Silent | Ignores | Yields | TalksOn | Says | Tool | NoTool | Turns | TalkRatio, Field(discriminator="expect")
]


class Scenario(_Strict):
    """One scenario, checked."""

    id: Id
    category: Category
    about: str = Field(min_length=1, max_length=300)
    personas: tuple[str, ...] = ()
    """Only these personas (their ids) can be asked this; none named: all."""
    tools: tuple[str, ...] = ()
    """Tools that the persona must be allowed; a persona without them is left out, which the run tells."""
    user: tuple[Step, ...] = Field(min_length=1)
    noise: tuple[Noise, ...] = ()
    echo: Echo | None = None
    expect: tuple[Expectation, ...] = Field(min_length=1)
    _folder: Path = PrivateAttr(default=Path())
    _content_hash: str = PrivateAttr(default="")

    def read_from(self, folder: Path, content_hash: str) -> Scenario:
        """This scenario, as it was read from a file in `folder`."""
        self._folder, self._content_hash = folder, content_hash
        return self

    @property
    def folder(self) -> Path:
        """Where the file lies; clips are found from there."""
        return self._folder

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the file and its clips: what was really played."""
        return self._content_hash

    @model_validator(mode="after")
    def _names_fit(self) -> Scenario:
        known: set[str] = set()
        for number, step in enumerate(self.user):
            if step.id in known:
                raise Misfit(("user", number, "id"), f"two steps have the id {step.id!r}")
            if step.when is not None and step.when.after is not None and step.when.after not in known:
                wanted = f"step {step.id!r} waits for {step.when.after!r}, which is no step before it"
                raise Misfit(("user", number, "when", "after"), wanted)
            known.add(step.id)
        for number, expectation in enumerate(self.expect):
            for field, name in _named(expectation):
                if name not in known:
                    steps = ", ".join(sorted(known))
                    raise Misfit(("expect", number, field), f"{expectation.expect} names the step {name!r}; the steps are: {steps}")
        return self


def steps_named(expectation: Expectation) -> tuple[str, ...]:
    """The ids of the steps that an expectation names."""
    return tuple(name for _field, name in _named(expectation))


def _named(expectation: Expectation) -> Iterator[tuple[str, str]]:
    match expectation:
        case Answers():
            yield "after", expectation.after
        case Says(after=str(step)):
            yield "after", step
        case Ignores() | Yields() | TalksOn():
            yield "step", expectation.step
        case Silent():
            for step in expectation.between:
                yield "between", step
        case _:
            pass
