"""Real calls over a real lossy link: what is lost is told to the packet, and nothing else of the talk suffers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.lossy_link import Conditions, missing
from benchmarks.lossy_talk import PACKET, Kept, LossyServer, Script
from workbench import events

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
HELD_UP_MS = 40.0
"""A tick that is later than this on a busy machine delays sound as a bad network would."""


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


def test_both_stems_stay_where_they_are(kept: Kept) -> None:
    user, agent = kept.user_pieces(), kept.agent_pieces()
    assert len(user) >= 10
    behind = {piece.sent: piece.offset_ms for piece in agent}
    both = [behind[piece.sent] - piece.offset_ms for piece in user if piece.sent in behind]
    assert len(both) >= 10
    assert np.ptp(both) <= 1.0, "the agent repeats the user a frame later, at the beginning as at the end"
    if kept.held_up_ms > HELD_UP_MS:
        pytest.skip(f"this machine was busy: a tick was {kept.held_up_ms:.0f} ms late")
    assert np.ptp([piece.offset_ms for piece in user]) <= 20.5


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
