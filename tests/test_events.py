"""The event vocabulary."""

from __future__ import annotations

import pytest

from workbench import events
from workbench.events import Event, ToolFailed, UserText, restore, vocabulary


def test_the_vocabulary_holds_the_published_classes_themselves() -> None:
    assert all(getattr(events, kind) is cls for kind, cls in vocabulary().items())
    assert {"SessionOpened", "SessionClosed", "ToolFailed", "FrameTiming"} <= vocabulary().keys()
    assert not {"Event", "ToolEvent"} & vocabulary().keys()


def test_every_kind_says_what_an_interruption_does_to_it_or_at_least_what_it_is() -> None:
    assert all(cls.__doc__ for cls in vocabulary().values())


def test_a_restored_event_equals_the_one_that_was_kept() -> None:
    event = UserText(
        at_samples=1,
        noticed_samples=2,
        utterance_id="u",
        text="hello",
        final=True,
        start_samples=0,
        source="asr",
        recogniser="r",
        decode_ms=3.0,
    )
    again = restore(event.kind, event.at_samples, event.noticed_samples, event.payload())
    assert again == event
    assert isinstance(again, UserText)


def test_an_old_row_without_a_newer_field_is_restored_with_its_default() -> None:
    payload = {"invocation_id": "i", "tool": "t", "error": "e", "latency_ms": 1.0}
    failed = restore("ToolFailed", 1, 1, payload)
    assert isinstance(failed, ToolFailed)
    assert failed.timed_out is False


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        restore("Nonsense", 0, 0, {})


def test_events_cannot_be_changed() -> None:
    event: Event = restore("AudioLost", 0, 0, {"samples": 1, "packets": 1})
    with pytest.raises(AttributeError):
        event.at_samples = 5  # type: ignore[misc]
