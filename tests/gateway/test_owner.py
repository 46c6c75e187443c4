"""The rows and their visitors, driven from the test's own thread: deterministic, without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import load_golden
from visitors import enter, heard, make_ready

from workbench.audio.frames import Pcm
from workbench.audio.wav import load_wav
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits, Owner
from workbench.gateway.sampling import Sampling
from workbench.gateway.say import make_line
from workbench.gateway.seat import MAX_FRAMES, Seat
from workbench.gateway.snapshots import Snapshots
from workbench.gateway.voice_sound import VoiceError
from workbench.pieces import PieceJoiner


@pytest.fixture
def owner(model: Model) -> Iterator[Owner]:
    made = Owner(model)
    yield made
    made.end_all("shutdown", "")


def test_sound_and_words_are_the_references(owner: Owner, user: Pcm, cases: dict[str, Any], tiny_folder: Path) -> None:
    """The reference's file begins with its forced frame; the codec remembers that frame, so only what comes later can be equal."""
    seat = enter(owner)
    make_ready(owner)
    # The reference decodes its forced silence first.
    owner.model.decode(load_golden(tiny_folder, "f32_wav")["out"][0, 1:9])
    for frame in user:
        seat.take(frame)
        owner.tick()
    expected = load_wav(tiny_folder / "expected" / "offline_f32_greedy.flac")
    ours = np.concatenate(heard(seat).pcm)[: len(expected) - 1920]
    np.testing.assert_allclose(ours.clip(-1, 1), expected[1920:], atol=5e-5)
    joiner = PieceJoiner()
    pieces = [joiner.add(piece.replace("EPAD", "").replace("PAD", "")) for piece in cases["cases"]["f32_wav"]["text_pieces"]]
    assert heard(seat).pieces[:-1] == pieces[1:]


def test_two_visitors_keep_their_own_prompts(owner: Owner, user: Pcm, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the reference, one who connects while another's prompt is taken in replaces it."""
    alone = enter(owner)
    make_ready(owner)
    for frame in user[:30]:
        alone.take(frame)
        owner.tick()
    owner.end(alone, "closed", "")
    first = enter(owner)
    # Both prompts are taken in anew, chunk by chunk.
    monkeypatch.setattr(owner.model.prefiller, "_snapshots", Snapshots(0))
    owner.prepare_next()
    second = enter(owner, voice="TINYW1", text="You work for a small repair shop and your name is Robin.")
    make_ready(owner)
    for frame in user[:30]:
        first.take(frame)
        second.take(frame)
        owner.tick()
    assert heard(first).pieces == heard(alone).pieces
    np.testing.assert_allclose(np.concatenate(heard(first).pcm), np.concatenate(heard(alone).pcm), atol=1e-5)
    assert heard(second).pieces != heard(alone).pieces


def test_queue_positions_and_next_in_line(owner: Owner) -> None:
    seats = [enter(owner) for _ in range(5)]
    assert [seat.row for seat in seats] == [0, 1, 2, None, None]
    assert [heard(seat).places for seat in seats[3:]] == [[1], [2]]
    owner.end(seats[1], "closed", "")
    owner.admit()
    assert seats[3].row == 1
    assert heard(seats[4]).places == [2, 1]
    owner.end(seats[4], "closed", "")
    assert not owner.waiting


def test_known_persona_needs_one_step(owner: Owner) -> None:
    enter(owner, text="You enjoy having a good conversation.")
    make_ready(owner)
    seat = enter(owner, text="You enjoy having a good conversation.")
    owner.prepare_next()
    assert seat.live


def test_missing_frames_pause_and_backlogs_are_dropped(owner: Owner, user: Pcm) -> None:
    steady, late = enter(owner), enter(owner)
    make_ready(owner)
    for frame in user[:5]:
        steady.take(frame)
        owner.tick()
    assert (late.paused, len(heard(late).pcm), len(heard(steady).pcm)) == (5, 0, 5)
    dropped = sum(late.take(frame) for frame in user[: MAX_FRAMES + 3])
    owner.note_dropped(late, dropped)
    assert dropped == 3
    assert heard(late).notices == [("dropped", {"frames": 3, "in_all": 3})]
    np.testing.assert_array_equal(late.frames[0], user[3])


def test_a_broken_row_ends_alone(owner: Owner, user: Pcm) -> None:
    good, bad = enter(owner), enter(owner)
    make_ready(owner)
    assert bad.row is not None
    for part in owner.model.lm.transformer.get_streaming_state().values():
        if getattr(part, "kv_cache", None) is not None:
            part.kv_cache.cache[:, bad.row] = torch.nan
    for frame in user[:3]:
        good.take(frame)
        bad.take(frame)
        owner.tick()
    assert heard(bad).end is not None
    assert heard(bad).end[0] == "failed"
    assert len(heard(good).pcm) == 3
    # A free row goes on writing its first slot; the rest is as nobody had been there.
    for part in owner.model.lm.transformer.get_streaming_state().values():
        assert getattr(part, "kv_cache", None) is None or not part.kv_cache.cache[:, bad.row, :, 1:].any()
    visitor = enter(owner)
    make_ready(owner)
    assert visitor.row == bad.row
    for frame in user[:3]:
        good.take(frame)
        visitor.take(frame)
        owner.tick()
    np.testing.assert_allclose(np.concatenate(heard(visitor).pcm), np.concatenate(heard(good).pcm[:3]), atol=1e-5)


def test_a_listener_that_fails_ends_alone(owner: Owner, user: Pcm, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = enter(owner), enter(owner)
    make_ready(owner)
    heard(bad).frame = None  # type: ignore[assignment, method-assign]  # calling it raises TypeError
    for frame in user[:2]:
        good.take(frame)
        bad.take(frame)
        owner.tick()
    assert bad.closed
    assert len(heard(good).pcm) == 2
    assert "a listener failed" in caplog.text


@pytest.mark.parametrize("limits", [Limits(idle_s=-1), Limits(length_s=-1)])
def test_limits_end_a_talk(model: Model, limits: Limits) -> None:
    owner = Owner(model, limits=limits)
    seat = enter(owner)
    make_ready(owner)
    owner.expire()
    assert heard(seat).end is not None
    assert heard(seat).end[0] == ("idle" if limits.idle_s < 0 else "length")
    assert owner.rows == [None] * 3


def test_bad_frames_are_refused(owner: Owner) -> None:
    seat = enter(owner)
    for wrong in (np.zeros(1919, np.float32), np.full(1920, np.nan, np.float32), np.zeros((2, 960), np.float32)):
        with pytest.raises(ValueError, match="a frame is 1920 finite"):
            seat.take(wrong)


def say(owner: Owner, seat: Seat, say_id: str, text: str) -> None:
    owner.say(seat, make_line(owner.model.tokenizer, say_id, text))


def test_said_words_come_out_in_order_and_neighbours_do_not_notice(owner: Owner, user: Pcm) -> None:
    talks = []
    for talking in (False, True):
        seat, neighbour = enter(owner, sampling=Sampling(), seed=5), enter(owner, voice="TINYW1", sampling=Sampling(), seed=6)
        make_ready(owner)
        for number, frame in enumerate(user[:90]):
            if talking and number == 10:
                say(owner, seat, "a", "It costs twelve euros.")
                say(owner, seat, "b", "Is that fine?")
            seat.take(frame)
            neighbour.take(frame)
            owner.tick()
        talks.append((heard(seat), heard(neighbour)))
        owner.end_all("closed", "")
    (free, beside_free), (told, beside_told) = talks
    said = "".join(piece for piece, forced in zip(told.pieces, told.forced, strict=True) if forced)
    assert said == " It costs twelve euros. Is that fine?"
    assert told.pieces[:11] == free.pieces[:11]
    assert not any(told.forced[:11])
    assert beside_told.pieces == beside_free.pieces
    np.testing.assert_array_equal(np.concatenate(beside_told.pcm), np.concatenate(beside_free.pcm))
    reports = [data for kind, data in told.notices if kind == "said"]
    assert [(report["id"], report["words_heard"], report["interrupted"]) for report in reports] == [("a", 4, False), ("b", 3, False)]
    last = max(index for index, forced in enumerate(told.forced) if forced)
    assert any(told.pieces[last + 7 :]), "the text stream is free again"


def test_interruption_reports_the_words_heard(owner: Owner, user: Pcm) -> None:
    seat = enter(owner)
    make_ready(owner)
    say(owner, seat, "a", "one two three four five six seven eight nine ten")
    say(owner, seat, "b", "never heard")
    for frame in user[:12]:
        seat.take(frame)
        owner.tick()
    owner.interrupt(seat, 5)
    begun = "".join(piece for piece, forced in zip(heard(seat).pieces, heard(seat).forced, strict=True) if forced).split(" ")[1:]
    for frame in user[12:30]:
        seat.take(frame)
        owner.tick()
    first, second = (data for kind, data in heard(seat).notices if kind == "said")
    assert 0 < first["words_heard"] == len(begun) < 10
    assert (first["interrupted"], second["words_heard"], second["interrupted"]) == (True, 0, True)
    # One more piece was in the model already when the interruption came.
    assert heard(seat).pieces[13:18] == [""] * 5
    assert not any(heard(seat).forced[13:])


def test_signs_of_several_bytes_are_sent_whole(owner: Owner, user: Pcm) -> None:
    """The tiny model spells at random, so what it says itself is mostly cut-off bytes."""
    seat = enter(owner, sampling=Sampling(text_temperature=2.0), seed=4)
    make_ready(owner)
    say(owner, seat, "a", "12 € – größer")
    for frame in user[:60]:
        seat.take(frame)
        owner.tick()
    told = heard(seat)
    assert "".join(piece for piece, forced in zip(told.pieces, told.forced, strict=True) if forced) == " 12 € – größer"
    assert "<0x" not in "".join(told.pieces)
    assert "\ufffd" in "".join(told.pieces)


def test_hold_keeps_quiet_for_its_time(owner: Owner, user: Pcm) -> None:
    seat = enter(owner, sampling=Sampling(text_temperature=1.0), seed=2)
    make_ready(owner)
    owner.hold(seat, 20)
    for frame in user[:60]:
        seat.take(frame)
        owner.tick()
    assert heard(seat).pieces[1:21] == [""] * 20
    assert sum(bool(piece) for piece in heard(seat).pieces[21:]) > 20


def test_unknown_and_broken_voices(model: Model) -> None:
    with pytest.raises(VoiceError, match="not a saved voice"):
        model.find_voice("BROKEN")
    with pytest.raises(VoiceError, match=r"choose from: TINYF0\.pt"):
        model.find_voice("../TINYF0.pt")
