"""The parts that hear and speak, each tried on a second of sound."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing

from workbench.commands.checks.finding import INSTALL, Finding
from workbench.settings import Settings


async def audio(_settings: Settings) -> Finding:
    """Resampling, Opus there and back, and the speech detector, each on a second of sound."""
    import numpy as np

    from workbench.audio.errors import AudioError
    from workbench.audio.frames import FRAME_SAMPLES, LISTEN_RATE, SAMPLE_RATE
    from workbench.audio.opus import CodecError, OpusReader, OpusWriter
    from workbench.audio.resample import resample
    from workbench.audio.vad import SpeechDetector

    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    try:
        at_16k = resample(tone, SAMPLE_RATE, LISTEN_RATE)
        SpeechDetector().push(at_16k)
        writer, reader = OpusWriter(), OpusReader()
        heard = sum(reader.append(writer.append(tone[at : at + FRAME_SAMPLES])).size for at in range(0, tone.size, FRAME_SAMPLES))
    except (AudioError, CodecError) as error:
        return Finding("audio", "error", f"The audio parts do not work: {error}", f"{INSTALL} --reinstall")
    if heard < SAMPLE_RATE // 2:
        return Finding("audio", "error", f"Opus gave back {heard} of {SAMPLE_RATE} samples.", f"{INSTALL} --reinstall-package sphn")
    return Finding("audio", "ok", "Resampling, Opus there and back, and the silero speech detector work.")


async def end_of_turn(_settings: Settings) -> Finding:
    from workbench.audio.end_of_turn import EndOfTurn
    from workbench.audio.errors import AudioError
    from workbench.audio.frames import LISTEN_RATE, silence

    try:
        model = await asyncio.to_thread(EndOfTurn)
    except AudioError as error:
        return Finding("end of turn", "warning", f"{error} Turns end after a fixed silence.", f"{INSTALL} --reinstall-package pipecat-ai")
    try:
        score = await model.score(silence(LISTEN_RATE))
    finally:
        model.close()
    if not math.isfinite(score):
        return Finding("end of turn", "warning", f"{model.name} gives no number.", f"{INSTALL} --reinstall-package pipecat-ai")
    return Finding("end of turn", "ok", f"{model.name} judged a second of silence.")


async def recogniser(settings: Settings) -> Finding:
    from workbench.audio.frames import LISTEN_RATE, silence
    from workbench.engines.speech.base import SpeechError
    from workbench.engines.speech.recognisers import choose_recogniser

    try:
        asr = await choose_recogniser(settings.asr)
    except SpeechError as error:
        return Finding("recogniser", "error", str(error), "WORKBENCH_ASR=auto workbench doctor")
    try:
        session = await asr.open(["what time is it"])
        try:
            await session.feed(silence(LISTEN_RATE))
            await session.finish()
        finally:
            await session.close()
    except SpeechError as error:
        return Finding("recogniser", "error", f"{asr.name}: {error}", f"{INSTALL} --reinstall")
    finally:
        await asr.close()
    return Finding("recogniser", "ok", f"{asr.name} listened to a second of silence. {asr.why}")


async def voice(settings: Settings) -> Finding:
    from workbench.audio.frames import SAMPLE_RATE
    from workbench.engines.speech.base import SpeechError
    from workbench.engines.speech.synthesisers import choose_synthesisers

    key = settings.elevenlabs_api_key
    try:
        voices = await choose_synthesisers(
            settings.tts, api_key=key.get_secret_value() if key is not None else None, voice_id=settings.elevenlabs_voice
        )
    except SpeechError as error:
        return Finding("voice", "error", str(error), "apt-get install -y libflite1")
    spoke: list[str] = []
    failed: list[str] = []
    for tts in voices:
        try:
            async with aclosing(tts.stream("ready")) as sound:
                samples = sum([chunk.size async for chunk in sound])
            spoke.append(f"{tts.name} ({samples / SAMPLE_RATE:.2f} s of sound)")
        except SpeechError as error:
            failed.append(f"{tts.name}: {error}")
        finally:
            await tts.close()
    if not spoke:
        return Finding("voice", "error", " ".join(failed), "apt-get install -y libflite1")
    told = f"Spoke a word: {', '.join(spoke)}. {voices[0].why}"
    if failed:
        return Finding("voice", "warning", f"{told} Failed: {'; '.join(failed)}", "WORKBENCH_TTS=auto workbench doctor")
    return Finding("voice", "ok", told)
