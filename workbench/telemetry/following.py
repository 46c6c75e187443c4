"""Everyone of this room who watches a talk, there before its first event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from opentelemetry import context
from opentelemetry.trace import set_span_in_context

from workbench.conversation.port import TalkRefused
from workbench.talk import Observer
from workbench.telemetry.metrics import Telemetry
from workbench.telemetry.talk_log import TalkLog
from workbench.telemetry.talk_spans import TalkSpans
from workbench.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Followed:
    """What a talk that is about to be opened is given."""

    observers: Sequence[Observer] = ()
    trace_id: str = ""
    """Empty where nothing is traced."""


Follow = Callable[[], AbstractContextManager[Followed]]
"""A talk is opened within: its tasks then belong to its trace, and if it cannot be opened its trace says so."""


class Following:
    """Implements `Follow`."""

    def __init__(self, telemetry: Telemetry, tracing: Tracing | None, *, transcripts: bool) -> None:
        self._telemetry, self._tracing, self._transcripts = telemetry, tracing, transcripts

    @contextmanager
    def __call__(self) -> Iterator[Followed]:
        observers: list[Observer] = [self._telemetry.meter(), TalkLog(transcripts=self._transcripts)]
        if self._tracing is None:
            yield Followed(observers)
            return
        spans = TalkSpans(self._tracing.tracer, engine=self._telemetry.engine_label, tool=self._telemetry.tool_label)
        token = context.attach(set_span_in_context(spans.root))
        try:
            yield Followed([*observers, spans], spans.trace_id)
        except TalkRefused as refused:
            spans.refused(refused.code)
            raise
        except BaseException:
            spans.refused("failed")
            raise
        finally:
            context.detach(token)
