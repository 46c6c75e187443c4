"""The remote providers of a process: opened in the background, reached again when they are lost, their tools kept in the registry."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from workbench.bridge.config import ToolsConfig, providers
from workbench.bridge.config_faults import ConfigError
from workbench.bridge.guard import Guard, GuardView, Limits
from workbench.bridge.provider import WROTE, ProviderState, RemoteProvider
from workbench.bridge.redact import SECRETS, Redactor
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolError

log = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Told in a plain sentence when tools appear or a provider is lost."""
CLOSE_S = 10.0
_PROBE_S = 4.0
"""A second more than a provider's own limit."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the fleet waits, in seconds."""

    open_s: float = 60.0
    """For one opening: a server may have to be fetched first."""
    first_s: float = 1.0
    """Before it is tried again; doubled each time, up to `most_s`."""
    most_s: float = 60.0
    check_s: float = 30.0
    """Between probes of a provider that says nothing by itself."""


@runtime_checkable
class TellsNews(Protocol):
    """A provider that says by itself when its tools change, and when it is lost."""

    on_tools: Callable[[Sequence[Tool]], None] | None
    on_lost: Callable[[str], None] | None


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """What an operator sees of a provider, found out just now."""

    name: str
    kind: str
    """`local`, `mas`, `n8n` or `mcp`."""
    ready: bool
    reason: str
    repair: str
    latency_ms: float | None
    """Of the probe; None when it was not answered."""
    calls: GuardView | None
    """None for functions of this process, before which no guard stands."""
    tools: Sequence[str]
    notices: Sequence[str] = ()
    """Tools left out or renamed, and why."""


@dataclass(slots=True, eq=False)
class _Kept:
    """One provider and how it is."""

    inner: RemoteProvider
    guard: Guard
    opened: bool = False
    reason: str = "it is being opened"
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after the first opening, whatever came of it."""
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the provider was lost, or should be tried at once."""
    task: asyncio.Task[None] | None = None
    renamed: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return str(getattr(self.inner, "kind", self.inner.name))


def configured_fleet(registry: Registry, config: ToolsConfig, *, tell: Tell = log.info) -> Fleet:
    """The providers of the tools' file, not yet started. Raises ConfigError for an address or a secret that cannot be used, and for
    two providers with one name."""
    told = config.limits
    limits = Limits(
        at_once=told.concurrency,
        threshold=told.breaker_failures,
        cool_down_s=told.breaker_cooldown_s,
        max_result_bytes=told.result_bytes,
    )
    remote = providers(config)
    try:
        return Fleet(registry, remote, limits=limits, tell=tell)
    except ToolError as error:
        raise ConfigError(f"{config.where}: {error}") from error


class Fleet:
    """`start` delays nobody; a provider that cannot be reached is tried again with growing waits, for ever. The tools of one that was
    lost stay registered: to call them says why it cannot be done."""

    def __init__(
        self,
        registry: Registry,
        providers: Sequence[RemoteProvider],
        *,
        limits: Limits | None = None,
        waits: Waits | None = None,
        tell: Tell = log.info,
        redactor: Redactor = SECRETS,
    ) -> None:
        """Raises ToolError when two providers have one name."""
        self._registry = registry
        self._waits = waits or Waits()
        self._tell = tell
        self._redactor = redactor
        names = [provider.name for provider in (*registry.providers, *providers)]
        for name in names:
            if names.count(name) > 1:
                raise ToolError(f"two providers are called {name!r}; give one of them another name")
        self._kept = [_Kept(provider, Guard(provider, limits=limits, redactor=redactor)) for provider in providers]

    def start(self) -> None:
        """Begins to open all of them, side by side. Needs a running loop."""
        for kept in self._kept:
            kept.task = asyncio.create_task(self._keep(kept), name=f"provider {kept.inner.name}")

    async def settled(self, within_s: float) -> None:
        """Waits until every provider has been tried once, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for kept in self._kept:
                    await kept.tried.wait()

    async def states(self) -> Sequence[ProviderStatus]:
        """Asks every provider, the local ones too, side by side."""
        remote = {kept.inner.name: kept for kept in self._kept}
        locals_ = [provider for provider in self._registry.providers if provider.name not in remote]
        asked = await asyncio.gather(
            *(self._local_state(provider.name, provider.probe) for provider in locals_), *(self._state(kept) for kept in self._kept)
        )
        return tuple(asked)

    async def close(self) -> None:
        """Gives the providers back, the last first."""
        for kept in reversed(self._kept):
            if kept.task is not None:
                kept.task.cancel()
                await asyncio.wait([kept.task])
            await self._close(kept)

    async def _keep(self, kept: _Kept) -> None:
        if isinstance(kept.inner, TellsNews):
            kept.inner.on_tools = lambda tools: self._register(kept, tools)
            kept.inner.on_lost = lambda reason: self._lost(kept, reason)
        failures = 0
        while True:
            kept.nudge.clear()
            fault = await self._open(kept)
            if fault is None:
                failures = 0
                await self._until_lost(kept)
                continue
            wait_s = min(self._waits.most_s, self._waits.first_s * 2.0**failures) * random.uniform(0.8, 1.2)  # noqa: S311
            failures = min(failures + 1, 30)
            if fault != kept.reason:
                self._tell(f"Tools of {kept.inner.name} are missing: {fault} It is tried again by itself.")
            kept.reason = fault
            kept.tried.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await kept.nudge.wait()

    async def _open(self, kept: _Kept) -> str | None:
        """What went wrong; None when it is open and its tools are registered."""
        try:
            async with asyncio.timeout(self._waits.open_s):
                tools = await kept.inner.open()
        except TimeoutError:
            return _sentence(f"it did not open within {self._waits.open_s:g} s")
        except ToolError as error:
            return _sentence(self._redactor.clean(str(error)))
        except Exception as error:  # noqa: BLE001 - one provider that breaks its contract must not take the others along
            log.error("provider %s broke its contract while it was opened: %s", kept.inner.name, self._redactor.clean(repr(error)))
            return _sentence(self._redactor.clean(f"{type(error).__name__}: {error}"))
        kept.opened = True
        self._register(kept, tools)
        kept.tried.set()
        return None

    async def _until_lost(self, kept: _Kept) -> None:
        while kept.opened:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waits.check_s):
                    await kept.nudge.wait()
                return
            state = await self._asked(kept)
            if not state.ready:
                self._lost(kept, state.reason)

    def _lost(self, kept: _Kept, reason: str) -> None:
        # Also before `opened` is set: a provider can be lost again while its opening is not yet over.
        kept.opened = False
        kept.reason = _sentence(self._redactor.clean(reason))
        # What it wrote last may be what somebody asked of it: that is shown with its state, and not logged.
        self._tell(f"{kept.inner.name} is lost: {_sentence(kept.reason.partition(WROTE)[0])} It is tried again by itself.")
        kept.nudge.set()

    def _register(self, kept: _Kept, tools: Sequence[Tool]) -> None:
        name = kept.inner.name
        taken = {tool.name for tool in self._registry if tool.provider != name}
        own: dict[str, Tool] = {}
        kept.renamed.clear()
        for tool in tools:
            called = f"{name}_{tool.name}"[:64] if tool.name in taken else tool.name
            if called in taken or called in own:
                kept.renamed.append(f"left out: {tool.name}, another tool has its name")
                continue
            if called != tool.name:
                kept.renamed.append(f"{tool.name} is called {called} here, another provider has a tool of its name")
            own[called] = tool
        kept.guard.own_tools = own
        try:
            self._registry.refresh(
                kept.guard, [tool if called == tool.name else dataclasses.replace(tool, name=called) for called, tool in own.items()]
            )
        except ToolError as error:
            kept.renamed.append(f"no tool of it can be used: {error}")
            self._tell(f"Tools of {name} cannot be used: {error}.")
            return
        self._tell(f"Tools of {name}: {', '.join(own) or 'none'}.")

    async def _asked(self, kept: _Kept) -> ProviderState:
        try:
            async with asyncio.timeout(_PROBE_S):
                return await kept.guard.probe()
        except TimeoutError:
            return ProviderState(ready=False, reason=f"no answer within {_PROBE_S:g} s", repair=f"See that {kept.inner.name} runs.")

    async def _state(self, kept: _Kept) -> ProviderStatus:
        state = await self._asked(kept)
        if state.ready and not kept.opened:
            # It is back before its time.
            kept.nudge.set()
        return ProviderStatus(
            name=kept.inner.name,
            kind=kept.kind,
            ready=state.ready and kept.opened,
            reason=state.reason if kept.opened or not state.ready else kept.reason,
            repair=state.repair,
            latency_ms=state.latency_ms,
            calls=kept.guard.view,
            tools=tuple(tool.name for tool in self._registry.by_provider(kept.inner.name)),
            notices=(*getattr(kept.inner, "notices", ()), *kept.renamed),
        )

    async def _local_state(self, name: str, probe: Callable[[], Coroutine[Any, Any, ProviderState]]) -> ProviderStatus:
        state = await probe()
        tools = tuple(tool.name for tool in self._registry.by_provider(name))
        return ProviderStatus(name, "local", state.ready, state.reason, state.repair, state.latency_ms, None, tools)

    async def _close(self, kept: _Kept) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await kept.inner.close()
        except TimeoutError:
            log.warning("provider %s did not close within %g s and was left", kept.inner.name, CLOSE_S)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
