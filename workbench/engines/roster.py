"""The engines there are, and the choice between them."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.engines.base import Availability, Engine, EngineBusy, EngineError, EngineSpec, MeasuresPrompts, OpenedEngine, PromptSize
from workbench.personas import Persona

AUTO = "auto"


class Roster:
    """Engines in order of preference. `auto` takes the first whose handshake answers; a name takes that one or nothing."""

    def __init__(self, engines: Sequence[Engine], *, automatic: Sequence[str]) -> None:
        """`automatic`: the names that `auto` may choose, best first."""
        self._engines = {engine.name: engine for engine in engines}
        self._automatic = tuple(automatic)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._engines)

    def check(self, requested: str) -> str:
        """The name itself. Raises EngineError for an engine that does not exist, listing those that do."""
        if requested != AUTO and requested not in self._engines:
            raise EngineError(f"There is no engine {requested!r}. Known: {', '.join((AUTO, *self._engines))}.")
        return requested

    async def probe(self, name: str) -> Availability:
        """A handshake with one engine, made now."""
        return await self._engines[self.check(name)].probe()

    async def prompt_size(self, persona: Persona) -> PromptSize | None:
        """What the persona's prompt costs the first engine that can tell; None when none can just now."""
        for engine in self._engines.values():
            if isinstance(engine, MeasuresPrompts) and (size := await engine.prompt_size(persona)) is not None:
                return size
        return None

    async def choose(self, requested: str, excluded: frozenset[str] = frozenset()) -> tuple[str, str, Availability]:
        """The engine to take, why, and its handshake. Raises EngineBusy when it is full, EngineError when it is not there."""
        if self.check(requested) != AUTO:
            answer = await self.probe(requested)
            if answer.state == "busy":
                raise EngineBusy(answer.reason)
            if answer.state != "ready":
                raise EngineError(f"The engine {requested} is not available: {answer.reason} {answer.repair}".strip())
            return requested, "Asked for by name.", answer
        passed_over: list[str] = []
        full = False
        for name in self._automatic:
            if name in excluded:
                passed_over.append(f"{name} was lost in this talk.")
                continue
            answer = await self.probe(name)
            if answer.state == "ready":
                why = f"{name} answered its handshake." if not passed_over else f"{name} stands in: " + " ".join(passed_over)
                return name, why, answer
            full = full or answer.state == "busy"
            passed_over.append(f"{name}: {answer.reason}")
        message = "No engine is free. " if full else "No engine is available. "
        raise (EngineBusy if full else EngineError)(message + " ".join(passed_over))

    async def open(self, requested: str, excluded: frozenset[str], spec: EngineSpec) -> OpenedEngine:
        """Chooses and opens an engine for one talk. Raises EngineError."""
        name, why, answer = await self.choose(requested, excluded)
        return OpenedEngine(await self._engines[name].open(spec), name, why, answer.handshake_ms)
