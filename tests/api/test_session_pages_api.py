"""What the Sessions page asks of the server."""

from __future__ import annotations

import httpx
import pytest

from tests.store.talks_in_store import keep
from workbench.assembly import Workbench
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.ratings import vote

FOREIGN = {"Origin": "https://evil.example"}
TABLES = (
    "voice_sessions",
    "voice_turns",
    "voice_tool_invocations",
    "voice_events",
    "voice_frame_timings",
    "voice_recordings",
    "voice_ratings",
)


@pytest.fixture(autouse=True)
def _talks(bench: Workbench) -> None:
    assert isinstance(bench.store, DuckDbStore)
    keep(bench.store, bench.settings.audio_dir, "heard", frames=25)
    keep(bench.store, bench.settings.audio_dir, "unheard", engine="echo")
    keep(bench.store, bench.settings.audio_dir, "live", over=False)


def rows_of(bench: Workbench, session_id: str) -> int:
    counted = (bench.store.query(f"SELECT count(*) AS n FROM {table} WHERE session_id = $1", [session_id])[0]["n"] for table in TABLES)
    return sum(counted)


async def test_the_table_is_filtered_by_its_address(client: httpx.AsyncClient) -> None:
    told = (await client.get("/api/sessions")).json()
    assert (told["total"], told["stored"], told["engines"], told["personas"]) == (3, 3, ["classic", "echo"], ["myca"])
    told = (await client.get("/api/sessions", params={"engine": "classic", "active": "false", "search": "WORDS OF"})).json()
    assert [row["session_id"] for row in told["sessions"]] == ["heard"]
    assert (told["sessions"][0]["has_audio"], told["sessions"][0]["latency_p50_ms"]) == (True, 400.0)
    assert (told["total"], told["stored"]) == (1, 3)


async def test_a_table_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    wrong = {"sort": "started_at; DROP TABLE voice_sessions", "limit": "0", "day": "yesterday", "rating_min": "9"}
    for name, value in wrong.items():
        answer = await client.get("/api/sessions", params={name: value})
        assert answer.status_code == 400
        assert name in answer.json()["error"]


async def test_a_replay_tells_a_talk_that_is_over_and_one_that_goes_on(client: httpx.AsyncClient) -> None:
    over = (await client.get("/api/sessions/heard/replay")).json()
    assert (over["session_id"], over["length_ms"]) == ("heard", 3_000.0)
    assert over["late_frames"] is None, "it was held in virtual time"
    going_on = (await client.get("/api/sessions/live/replay")).json()
    assert going_on["length_ms"] == 2_500.0
    assert going_on["summary"]["duration_s"] == 2.5


async def test_the_recording_is_answered_in_ranges(client: httpx.AsyncClient, bench: Workbench) -> None:
    whole = await client.get("/api/sessions/heard/audio")
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.content == (bench.settings.audio_dir / "heard.flac").read_bytes()
    part = await client.get("/api/sessions/heard/audio", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    answer = await client.get("/api/sessions/unheard/audio")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_recording")


async def test_what_is_no_session_is_404(client: httpx.AsyncClient) -> None:
    for session_id in ("nobody", "..%2Fworkbench", "%2e%2e", "a b"):
        for what in ("replay", "audio", "ratings"):
            answer = await client.get(f"/api/sessions/{session_id}/{what}")
            assert answer.status_code == 404
            assert answer.json()["error"]


async def test_a_rating_is_kept_with_who_and_when(client: httpx.AsyncClient) -> None:
    given = {"rater": "Ann <b>", "stars": 4, "note": "<script>1</script>"}
    answer = await client.post("/api/sessions/heard/ratings", json=given)
    assert answer.status_code == 201
    told = (await client.get("/api/sessions/heard/ratings")).json()
    assert told == answer.json()
    (rating,) = told["ratings"]
    assert {name: rating[name] for name in given} == given
    assert rating["rated_at"]
    rows = (await client.get("/api/sessions", params={"rating_min": 4})).json()["sessions"]
    assert [(row["session_id"], row["rating"]) for row in rows] == [("heard", 4.0)]


async def test_a_vote_of_a_blind_trial_is_among_the_judgements(client: httpx.AsyncClient, bench: Workbench) -> None:
    vote(bench.store, "trial-1", {"heard": True, "unheard": False}, rater="Ann")
    told = [(await client.get(f"/api/sessions/{name}/ratings")).json()["ratings"][0] for name in ("heard", "unheard")]
    assert [(one["trial_id"], one["preferred"], one["stars"]) for one in told] == [("trial-1", True, None), ("trial-1", False, None)]
    assert (await client.get("/api/sessions", params={"rated": "true"})).json()["total"] == 0, "a vote gives no stars"


async def test_a_rating_that_says_nothing_is_refused(client: httpx.AsyncClient) -> None:
    stars: dict[str, object] = {"stars": 3}
    for body in ({"rater": "Ann"}, stars, {"rater": " ", **stars}, {"rater": "Ann", "stars": 9}, {"rater": "Ann", "star": 1}):
        answer = await client.post("/api/sessions/heard/ratings", json=body)
        assert answer.status_code == 400, body
    assert (await client.get("/api/sessions/heard/ratings")).json()["ratings"] == []


async def test_a_deleted_session_leaves_no_row_and_no_sound(client: httpx.AsyncClient, bench: Workbench) -> None:
    await client.post("/api/sessions/heard/ratings", json={"rater": "Ann", "stars": 1})
    assert rows_of(bench, "heard") > 8
    answer = await client.delete("/api/sessions/heard", headers={"Origin": "http://localhost"})
    assert answer.status_code == 200, answer.text
    assert rows_of(bench, "heard") == 0
    assert not (bench.settings.audio_dir / "heard.flac").exists()
    assert (await client.delete("/api/sessions/heard")).status_code == 404
    assert (await client.get("/api/sessions")).json()["stored"] == 2


async def test_a_session_that_goes_on_is_not_deleted(client: httpx.AsyncClient, bench: Workbench) -> None:
    answer = await client.delete("/api/sessions/live")
    assert (answer.status_code, answer.json()["code"]) == (409, "going_on")
    assert rows_of(bench, "live") > 0


async def test_a_foreign_page_changes_nothing(client: httpx.AsyncClient, bench: Workbench) -> None:
    assert (await client.delete("/api/sessions/heard", headers=FOREIGN)).status_code == 403
    rated = await client.post("/api/sessions/heard/ratings", json={"rater": "Eve", "stars": 1}, headers=FOREIGN)
    assert rated.status_code == 403
    assert (await client.get("/api/sessions/heard/ratings")).json()["ratings"] == []
    assert rows_of(bench, "heard") > 0
