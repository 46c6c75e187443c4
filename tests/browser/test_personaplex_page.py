"""A talk with PersonaPlex in a browser: a server that starts its own gateway on the tiny checkpoint, a real Chromium, a tool asked for by
voice and by typing, and its result spoken by the persona itself. The tiny model babbles; all the rest is the real path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile
from chromium import CHROMIUM, microphone, visiting
from servers import CLIPS, ROOT, SERVE, Running, opened_store, running

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.audio.timeline import QUIET_RMS
from workbench.events import AgentText, EngineChosen, Event, Notice, ResultDelivered, ToolFinished
from workbench.store import queries

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
E = TypeVar("E", bound=Event)
TINY = ROOT / "tests" / "data" / "personaplex"
PERSONAS = {
    "tess": "---\nname: Tess\nvoice: TINYW1\nrole: casual\ntools: ['*']\n---\nYou enjoy having a good conversation. Your name is Tess.\n",
    "nora": "---\nname: Nora\nvoice: NATF2\nrole: casual\ntools: ['*']\n---\nYou enjoy having a good conversation. Your name is Nora.\n",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def server(data_dir: Path, tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "personas"
    folder.mkdir()
    for name, text in PERSONAS.items():
        (folder / f"{name}.md").write_text(text)
    settings = {
        "WORKBENCH_PERSONAS_DIR": str(folder),
        "WORKBENCH_PERSONA": "tess",
        "WORKBENCH_LOOPBACK_WEBRTC": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    with running(data_dir, (*SERVE, "--gateway", str(TINY)), **settings) as started:
        yield started


def test_a_tools_result_is_said_in_the_personas_own_voice(server: Running, data_dir: Path, tmp_path: Path) -> None:
    # The clip is repeated only after the talk: speech over a result would cut it off, as it should.
    wav = microphone(tmp_path / "mic.wav", [2.0, CLIPS / "synthetic" / "times.wav", 240.0])
    with visiting(server.url, wav=wav) as visit:
        page = visit.page
        page.wait_for_selector("#wb-lights [data-engine=personaplex][data-state=ready]:has-text('on cpu')")
        visit.start()
        page.wait_for_selector("#wb-transcript >> text=personaplex answered its handshake")
        page.wait_for_selector("#wb-parts:has-text('TINYW1.wav')")
        visit.poll(lambda: visit.heard_energy() > 0.01)
        page.wait_for_selector(".row.tool[data-tool=arithmetic][data-state=ok]:has-text('eighty four') .delivered:has-text('own voice')")
        visit.write("what is three times nine")
        page.wait_for_selector(".row.tool[data-state=ok]:has-text('twenty seven') .delivered:has-text('own voice')")
        visit.hang_up()
        assert not visit.outside
        assert not visit.complaints
    assert server.stop() == 0, server.said
    with opened_store(data_dir) as store:
        (row,) = store.query("SELECT session_id FROM voice_sessions")
        session = queries.get_session(store, row["session_id"])
        kept = queries.read_events(store, row["session_id"])
    assert session is not None
    assert (session["ended_reason"], session["engine"], session["transport"]) == ("hung_up", "personaplex", "webrtc")
    (chosen,) = of(kept, EngineChosen)
    assert chosen.parts["voice"]["name"] == "TINYW1.wav"
    assert {(call["action"], call["status"]) for call in session["tool_invocations"]} == {("arithmetic", "success")}
    stereo, rate = soundfile.read(data_dir / "audio" / f"{row['session_id']}.flac", dtype="float32")
    assert rate == SAMPLE_RATE
    finished = of(kept, ToolFinished)
    assert len(finished) == 2
    for tool, number in zip(finished, ("eighty four", "twenty seven"), strict=True):
        assert number in tool.spoken
        check_delivery(kept, tool, stereo[:, 1])


def test_a_gateway_that_comes_back_and_a_voice_that_it_has_not_are_told(server: Running) -> None:
    with visiting(server.url, wav=None) as visit:
        page = visit.page
        (child,) = server.workers("gateway")
        child.kill()
        not_ready = ":is([data-state=starting], [data-state=unavailable])"
        page.wait_for_selector(f"#wb-lights [data-engine=personaplex]{not_ready}:has-text('The gateway of this server')")
        page.wait_for_selector("#wb-lights >> text=auto takes classic.")
        page.wait_for_selector("#wb-lights [data-engine=personaplex][data-state=ready]")
        visit.choose("persona", "Nora", "nora")
        visit.write("what is six times seven")
        page.wait_for_selector("#wb-transcript >> text=personaplex answered its handshake")
        visit.poll(lambda: "PersonaPlex has no voice NATF2; it speaks with TINYF0.pt." in page.inner_text("body"))
        page.wait_for_selector(".row.tool[data-state=ok]:has-text('forty two') .delivered:has-text('own voice')")
        assert not visit.complaints


def of(kept: list[Event], kind: type[E]) -> list[E]:
    return [event for event in kept if isinstance(event, kind)]


def check_delivery(kept: list[Event], tool: ToolFinished, agent: np.ndarray) -> None:
    """One result was put into the persona's mouth after the tool had answered, in its words and their order, and could be heard."""
    (delivered,) = [told for told in of(kept, ResultDelivered) if told.invocation_id == tool.invocation_id]
    words = tool.spoken.split()
    assert (delivered.how, delivered.interrupted) == ("engine", False)
    assert 0 < delivered.words_heard <= delivered.words_asked == len(words)
    # By the order in which things happened: on a slow machine frames come after their due time, with which they are stamped.
    between = kept[kept.index(tool) : kept.index(delivered)]
    pieces = [piece for piece in of(between, AgentText) if piece.forced]
    assert pieces, "nothing was forced between the tool's result and the end of its delivery"
    assert [piece.at_samples for piece in pieces] == sorted(piece.at_samples for piece in pieces)
    said = "".join(piece.text for piece in pieces).split()
    left_out = [told for told in of(kept, Notice) if "left out" in told.message]
    # A machine that is too slow leaves sound out, and the pieces of words that begin in it; the order of the letters stays.
    letters = iter(" ".join(words))
    assert said == words if not left_out else all(letter in letters for letter in " ".join(said)), (said, words, left_out)
    begin, end = pieces[0].at_samples, pieces[-1].at_samples + FRAME_SAMPLES
    assert begin - FRAME_SAMPLES <= delivered.at_samples <= end
    # Frames that came too late for their tick are gaps of silence; those in which a word begins were played.
    starts = {piece.at_samples // FRAME_SAMPLES * FRAME_SAMPLES for piece in pieces}
    levels = [np.sqrt(np.mean(np.square(agent[at : at + FRAME_SAMPLES], dtype=np.float64))) for at in sorted(starts)]
    assert np.median(levels) > QUIET_RMS, levels
