"""A local server answers as ElevenLabs does, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.frames import Pcm, ms_to_samples, to_int16
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.elevenlabs_tts import ARABELLA, ElevenLabsTts, QuotaExceeded

KEY = "sk_0123456789abcdef"
TONE: Pcm = (0.5 * np.cos(np.arange(9_600) / 10)).astype(np.float32)
SOUND = to_int16(TONE).tobytes()

Send = Callable[[bytes], Awaitable[None]]
Answer = Callable[[bytes, Send], Awaitable[None]]
"""`(whole request, send)`."""


@asynccontextmanager
async def served(answer: Answer, **options: str) -> AsyncIterator[ElevenLabsTts]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            await answer(head + await reader.readexactly(length), send)
        except ConnectionError:
            pass  # The client closed early, as some tests mean it to.
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tts = ElevenLabsTts(KEY, base_url=f"http://127.0.0.1:{port}", **options)
    try:
        yield tts
    finally:
        await tts.close()
        server.close()
        await server.wait_closed()


def head(code: int = 200, kind: str = "audio/pcm") -> bytes:
    return f"HTTP/1.1 {code} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()


def piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def detail(status: str, message: str = "a reason") -> bytes:
    return json.dumps({"detail": {"status": status, "message": message}}, separators=(",", ":")).encode()


def refusing(code: int, body: bytes) -> Answer:
    async def answer(_request: bytes, send: Send) -> None:
        await send(head(code, "application/json") + piece(body) + piece(b""))

    return answer


async def collect(tts: ElevenLabsTts, text: str = "Hello there.", voice: str | None = None) -> Pcm:
    return np.concatenate([np.zeros(0, dtype=np.float32), *[chunk async for chunk in tts.stream(text, voice)]])


async def test_the_request_is_what_the_service_asks_for() -> None:
    requests: list[bytes] = []

    async def answer(request: bytes, send: Send) -> None:
        requests.append(request)
        await send(head() + piece(SOUND) + piece(b""))

    async with served(answer) as tts:
        pcm = await collect(tts, "**Hello** [there](https://a.example)! " + "word " * 400)
    assert np.array_equal(to_int16(pcm), to_int16(TONE))
    top, body = requests[0].split(b"\r\n\r\n", 1)
    assert top.startswith(f"POST /v1/text-to-speech/{ARABELLA}/stream?output_format=pcm_24000 ".encode())
    assert f"xi-api-key: {KEY}".encode() in top
    order = json.loads(body)
    assert order["model_id"] == "eleven_turbo_v2_5"
    assert order["voice_settings"] == {"stability": 0.4, "similarity_boost": 0.8, "style": 0.2, "use_speaker_boost": True}
    assert order["text"].startswith("Hello there! word")
    assert order["text"].endswith(" word")
    assert 990 < len(order["text"]) <= 1_000


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 5_001), min_size=1, max_size=8))
def test_a_sample_split_over_two_chunks_is_whole_again(sizes: list[int]) -> None:
    async def answer(_request: bytes, send: Send) -> None:
        await send(head())
        start, turn = 0, 0
        while start < len(SOUND):
            size = max(sizes[turn % len(sizes)], 200)
            await send(piece(SOUND[start : start + size]))
            start += size
            turn += 1
        await send(piece(b""))

    async def run() -> Pcm:
        async with served(answer) as tts:
            return await collect(tts)

    assert np.array_equal(to_int16(asyncio.run(run())), to_int16(TONE))


async def test_leading_silence_is_trimmed() -> None:
    async def answer(_request: bytes, send: Send) -> None:
        await send(head() + piece(bytes(4_801)) + piece(bytes(4_799) + SOUND) + piece(b""))

    async with served(answer) as tts:
        assert len(await collect(tts)) == ms_to_samples(10) + len(TONE)


async def test_the_first_sound_is_given_out_before_the_last_is_made() -> None:
    more = asyncio.Event()

    async def answer(_request: bytes, send: Send) -> None:
        await send(head() + piece(SOUND))
        await more.wait()
        await send(piece(SOUND) + piece(b""))

    async with served(answer) as tts:
        stream = tts.stream("Hello there.")
        assert len(await anext(stream)) > 0
        more.set()
        assert sum([len(chunk) async for chunk in stream]) > 0


@pytest.mark.parametrize(
    ("code", "body", "kind", "message"),
    [
        (401, detail("invalid_api_key"), SpeechError, "refused the key.*ELEVENLABS_API_KEY"),
        (401, detail("quota_exceeded", "0 credits"), QuotaExceeded, "0 credits"),
        (402, b"{}", QuotaExceeded, "quota"),
        (429, detail("too_many_concurrent_requests"), QuotaExceeded, "too_many_concurrent_requests"),
        (404, detail("voice_not_found"), SpeechError, "MYCA_VOICE_ID"),
        (500, b"<html>oops</html>", SpeechError, "answered 500"),
        (200, detail("quota_exceeded"), QuotaExceeded, "quota"),
        (401, detail("invalid_api_key", f"the key {KEY} is bad"), SpeechError, r"the key \*\*\* is bad"),
        (400, b"[1]", SpeechError, "no reason given"),
    ],
)
async def test_refusals(code: int, body: bytes, kind: type[SpeechError], message: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(refusing(code, body)) as tts:
        with pytest.raises(SpeechError, match=message) as caught:
            await collect(tts)
        assert type(caught.value) is kind
        assert KEY not in f"{caught.value!r} {tts!r} {caplog.text}"


async def test_a_quota_error_in_mid_stream_is_not_played() -> None:
    async def answer(_request: bytes, send: Send) -> None:
        await send(head() + piece(SOUND))
        await asyncio.sleep(0)
        await send(piece(detail("quota_exceeded")) + piece(b""))

    async with served(answer) as tts:
        stream = tts.stream("Hello there.")
        heard = [await anext(stream)]
        with pytest.raises(QuotaExceeded):
            heard += [chunk async for chunk in stream]
        assert np.array_equal(to_int16(np.concatenate(heard)), to_int16(TONE))


async def test_a_line_that_breaks_in_mid_stream_is_an_error() -> None:
    async def answer(_request: bytes, send: Send) -> None:
        await send(head() + piece(SOUND) + b"fff\r\nhalf")

    async with served(answer) as tts:
        with pytest.raises(SpeechError, match="cannot be reached"):
            await collect(tts)


async def test_nobody_there_is_an_error_with_a_repair() -> None:
    tts = ElevenLabsTts(KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(SpeechError, match="check the network"):
        await collect(tts)
    with pytest.raises(SpeechError, match="check the network"):
        await tts.handshake()
    await tts.close()


@pytest.mark.parametrize(
    ("code", "body", "good"), [(200, b"[]", True), (401, detail("missing_permissions"), True), (401, detail("invalid_api_key"), False)]
)
async def test_handshake(code: int, body: bytes, good: bool) -> None:
    async with served(refusing(code, body)) as tts:
        if good:
            assert await tts.handshake() > 0
        else:
            with pytest.raises(SpeechError, match="refused the key"):
                await tts.handshake()


async def test_nothing_to_say_asks_for_nothing() -> None:
    async with served(refusing(500, b"")) as tts:
        assert len(await collect(tts, "...")) == 0


async def test_a_voice_of_ones_own() -> None:
    seen: list[bytes] = []

    async def answer(request: bytes, send: Send) -> None:
        seen.append(request.split(b"?")[0])
        await send(head() + piece(SOUND) + piece(b""))

    async with served(answer, voice_id="myOwnVoice01") as tts:
        await collect(tts)
        await collect(tts, voice="arabella")
        with pytest.raises(SpeechError, match="custom, arabella"):
            await collect(tts, voice="NATF2")
    assert seen == [b"POST /v1/text-to-speech/myOwnVoice01/stream", f"POST /v1/text-to-speech/{ARABELLA}/stream".encode()]


@pytest.mark.parametrize("voice_id", ["../../v1/user", "a b", "", "x?y=1"])
def test_a_voice_id_is_never_a_path(voice_id: str) -> None:
    with pytest.raises(SpeechError, match="MYCA_VOICE_ID"):
        ElevenLabsTts(KEY, voice_id=voice_id)


@pytest.mark.parametrize("key", ["", "  ", "a\r\nx-other: b", "schlüssel"])
def test_a_key_that_cannot_be_one(key: str) -> None:
    with pytest.raises(SpeechError, match="ELEVENLABS_API_KEY"):
        ElevenLabsTts(key)
