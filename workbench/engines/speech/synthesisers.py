"""Which synthesisers can be used just now, in order of preference, and what happens when one fails in the middle of a talk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from workbench.audio.frames import Pcm
from workbench.engines.speech.base import SpeechError, Tts
from workbench.engines.speech.elevenlabs_tts import BASE_URL, ElevenLabsTts
from workbench.engines.speech.espeak_tts import EspeakTts
from workbench.engines.speech.flite_tts import FliteTts
from workbench.engines.speech.pocket_tts_engine import PocketTts, fetch_weights, find_weights
from workbench.engines.speech.spoken_text import clauses, spoken
from workbench.engines.speech.voice_names import is_personaplex_voice, voice_for
from workbench.engines.speech.worker_tts import WorkerTts

__all__ = ["FallbackTts", "choose_synthesisers", "voice_for"]

NAMES = ("elevenlabs", "pocket-tts", "flite", "espeak-ng")
"""The synthesisers, best first."""

Open = Callable[[], Awaitable[Tts]]


async def choose_synthesisers(
    requested: str = "auto",
    *,
    api_key: str | None = None,
    voice_id: str | None = None,
    progress: Callable[[str], None] | None = None,
    base_url: str = BASE_URL,
) -> list[Tts]:
    """The usable synthesisers, best first; the `why` of each says why the better ones were passed over.

    `requested` is `auto` or a name of `NAMES`, which then comes first, with the usable ones after it in order. `api_key` and
    `voice_id` are ElevenLabs' (ELEVENLABS_API_KEY, MYCA_VOICE_ID). ElevenLabs is asked whether it takes the key (at most 10 s, 3 s to
    connect). Pocket-tts' 400 MB of weights are only downloaded, with `progress`, when it is requested by name.

    Raises SpeechError with the repair when `requested` cannot be used or nothing can.
    """
    if requested != "auto" and requested not in NAMES:
        raise SpeechError(f"there is no synthesiser {requested!r}; take auto or one of: {', '.join(NAMES)}")

    report = progress or (lambda _message: None)

    async def elevenlabs() -> Tts:
        if api_key is None:
            raise SpeechError("ELEVENLABS_API_KEY is not set; set it to use ElevenLabs")
        tts = ElevenLabsTts(api_key, voice_id=voice_id, base_url=base_url)
        try:
            answered_ms = await tts.handshake()
        except SpeechError:
            await tts.close()
            raise
        tts.why = f"ELEVENLABS_API_KEY is set and the service answered in {answered_ms:.0f} ms"
        return tts

    async def pocket() -> Tts:
        weights = find_weights()
        if not weights.cached:
            if requested != "pocket-tts":
                raise SpeechError("its weights are not in the Hugging Face cache; WORKBENCH_TTS=pocket-tts fetches them (400 MB)")
            await fetch_weights(weights, report)
        report("starting pocket-tts: it imports torch and loads its weights, 10 to 40 s")
        return await _started(PocketTts(weights.voices))

    async def flite() -> Tts:
        return FliteTts()

    async def espeak() -> Tts:
        return await _started(EspeakTts())

    opens: Mapping[str, Open] = dict(zip(NAMES, (elevenlabs, pocket, flite, espeak), strict=True))
    order = NAMES if requested == "auto" else (requested, *(name for name in NAMES if name != requested))
    return await _open_in_order(order, opens, requested)


async def _started(tts: WorkerTts) -> Tts:
    """`tts` with its process at work, so that it is known to be usable and the first text need not wait."""
    try:
        await tts.start()
    except SpeechError:
        await tts.close()
        raise
    return tts


async def _open_in_order(order: Sequence[str], opens: Mapping[str, Open], requested: str) -> list[Tts]:
    usable: list[Tts] = []
    passed: list[str] = []
    for name in order:
        try:
            tts = await opens[name]()
        except SpeechError as error:
            if name == requested:
                raise SpeechError(f"the synthesiser {name} was asked for and cannot be used: {error}") from error
            passed.append(f"{name} cannot be used: {error}")
            continue
        reason = f"{name} was asked for: {tts.why}" if name == requested else f"{name}: {tts.why}"
        if usable:
            reason = f"{reason}; it waits behind {', '.join(other.name for other in usable)}"
        tts.why = ". ".join([reason, *passed]) + "."
        usable.append(tts)
    if not usable:
        raise SpeechError("no synthesiser can be used. " + ". ".join(passed))
    return usable


class FallbackTts:
    """Implements `Tts` over several, best first. One that fails is given up for good, and `on_change` is told before the next speaks.

    Texts are said clause by clause, so that after a failure the next synthesiser begins with the first clause that was not said to its
    end. A voice of any of them, or a PersonaPlex voice, is taken; the synthesiser that speaks uses its nearest one (`voice_for`).
    """

    def __init__(self, synthesisers: Sequence[Tts], on_change: Callable[[str], None] | None = None) -> None:
        """Raises SpeechError for an empty sequence."""
        if not synthesisers:
            raise SpeechError("there is no synthesiser to speak with; install one: apt-get install libflite1")
        self.on_change = on_change
        self._left = list(synthesisers)
        self._all = tuple(synthesisers)
        self._take(self._left[0])

    def _take(self, tts: Tts) -> None:
        self.current = tts
        """The one that speaks now; name, why and voices are its own."""
        self.name = tts.name
        self.why = tts.why
        self.voices = tts.voices

    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        if voice is not None and not is_personaplex_voice(voice) and not any(voice in tts.voices for tts in self._all):
            raise SpeechError(f"{self.name} has no voice {voice!r}; take one of: {', '.join(self.voices)}")
        for clause in clauses(spoken(text)):
            async with aclosing(self._say(clause, voice)) as sound:
                async for pcm in sound:
                    yield pcm

    async def handshake(self) -> float:
        return await self.current.handshake()

    async def close(self) -> None:
        for tts in self._all:
            await tts.close()

    async def _say(self, clause: str, voice: str | None) -> AsyncGenerator[Pcm, None]:
        while True:
            tts = self.current
            chosen, _note = voice_for(tts, voice)
            try:
                async with aclosing(tts.stream(clause, chosen)) as sound:
                    async for pcm in sound:
                        yield pcm
                return
            except SpeechError as error:
                self._give_up(tts, error)

    def _give_up(self, tts: Tts, error: SpeechError) -> None:
        """Raises `error` when `tts` was the last one. Another talk may have given it up already."""
        if tts not in self._left:
            return
        if len(self._left) == 1:
            raise error
        self._left.remove(tts)
        self._take(self._left[0])
        if self.on_change is not None:
            self.on_change(f"{tts.name} failed ({error}); {self.name} speaks from here on")
