"""Real calls over a real lossy link: what is lost is told to the packet, and nothing else of the talk suffers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.lossy_link import Conditions, missing
from benchmarks.lossy_signal import PIECE_S, Found
from benchmarks.lossy_talk import PACKET, Kept, LossyServer, Script
from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE

# A server that starts among a dozen other programs takes minutes.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(missing() is not None, reason=f"no lossy link can be made: {missing()}"),
]

SECONDS = 8.0
TALKS = {
    "1 %": Script(Conditions(delay_ms=50, jitter_ms=10, loss=0.01), SECONDS, seed=3),
    "5 %": Script(Conditions(delay_ms=50, jitter_ms=10, loss=0.05), SECONDS, seed=4),
}
DEAD = Script(Conditions(delay_ms=50, jitter_ms=10), 2.0, seed=5)
PIECE = round(PIECE_S * SAMPLE_RATE)
"""Samples of a piece that is looked for."""


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """The talks that were held, by name, and one whose network died."""
    folder = tmp_path_factory.mktemp("lossy")
    with LossyServer(folder) as server:
        for script in TALKS.values():
            server.hold(script)
        server.lose(DEAD)
    return dict(zip([*TALKS, "dead"], server.read(), strict=True))


@pytest.fixture(params=list(TALKS))
def kept(request: pytest.FixtureRequest, talks: dict[str, Kept]) -> Kept:
    return talks[request.param]


def test_every_packet_that_was_lost_is_told_in_both_directions(kept: Kept) -> None:
    assert kept.lost(upward=True) >= 2
    assert kept.told_lost_packets == kept.lost(upward=True)
    assert kept.told_lost_samples == kept.lost(upward=True) * PACKET
    assert kept.lost(upward=False) >= 2
    assert kept.told_playout_lost == kept.lost(upward=False)


def test_a_lost_packet_silences_itself_and_no_more(kept: Kept) -> None:
    # Sound that came late because the machine was busy is heard after the silence; it is told apart.
    silenced = kept.silenced_frames - kept.delayed_frames
    assert 0.8 * kept.lost(upward=True) <= silenced <= 1.2 * kept.lost(upward=True)


def test_both_stems_stay_together(kept: Kept) -> None:
    user, agent = kept.user_pieces(), kept.agent_pieces()
    assert len(user) >= 10
    behind = {piece.sent: piece.offset_ms for piece in agent}
    both = [behind[piece.sent] - piece.offset_ms for piece in user if piece.sent in behind]
    assert len(both) >= 10
    assert np.ptp(both) <= 1.0, "the agent repeats the user a frame later, at the beginning as at the end"


def test_the_user_moves_only_as_it_is_told(kept: Kept) -> None:
    """How far sound moves depends on how late its packets come, which a busy machine decides too; that every move is told does not."""
    moves = [(event.at_samples, event.samples) for kind in (events.AudioDelayed, events.ClockCorrected) for event in kept.of(kind)]
    moves += [(event.at_samples, -event.samples) for event in kept.of(events.AudioLost) if event.cause == "backlog"]
    moves.sort()
    told = [0, *itertools.accumulate(samples for _at, samples in moves)]

    def possible(piece: Found) -> list[int]:
        """What may have been told of a piece: moves before it for sure, those in it and just after it perhaps."""
        before = sum(at <= piece.heard for at, _samples in moves)
        perhaps = sum(at <= piece.heard + PIECE + 2 * FRAME_SAMPLES for at, _samples in moves)
        return told[before : perhaps + 1]

    pieces = kept.user_pieces()
    begins = [pieces[0].heard - pieces[0].sent - samples for samples in possible(pieces[0])]
    unexplained = [
        [piece.offset_ms for piece in pieces if all(abs(piece.heard - piece.sent - begin - so_far) > 24 for so_far in possible(piece))]
        for begin in begins
    ]
    assert [] in unexplained, f"moved without a word: {unexplained}; told: {moves}"


def test_sound_never_runs_faster_than_it_was_spoken(kept: Kept) -> None:
    assert kept.stems[0].size == kept.stems[1].size
    assert kept.whole, "one frame of 80 ms for each tick"
    for before, after in itertools.pairwise(kept.user_pieces()):
        taken_out = sum(
            -e.samples for e in kept.of(events.ClockCorrected) if e.samples < 0 and before.heard <= e.at_samples <= after.heard + 24_000
        )
        assert after.heard - before.heard >= after.sent - before.sent - taken_out - 24


def test_a_network_that_dies_ends_the_talk_as_a_lost_client(talks: dict[str, Kept]) -> None:
    kept = talks["dead"]
    assert kept.ended_reason == "client_lost"
    (closed,) = kept.of(events.SessionClosed)
    assert closed.reason == "client_lost"
    assert len(kept.user_pieces()) >= 2, "what was said before is kept"
    assert kept.whole
