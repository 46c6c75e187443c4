"""`workbench talk`: a clip as the user, in this process or against a server, and an account of the talk."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from workbench import events
from workbench.assembly import assemble
from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm, silence
from workbench.audio.wav import load_wav, write_wav
from workbench.clock import FastClock, RealtimeClock
from workbench.commands.common import CommandError, DataDir, Db, Json, ToolsFile, load_settings, load_tools, run, say, show
from workbench.commands.remote import secret_for_servers
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.protocol import Audio, ErrorMessage, Metadata
from workbench.sessions import LiveTalk
from workbench.settings import Settings
from workbench.store.base import StoreError
from workbench.transports.clip import Account, ClipDriver
from workbench.wire_client import ChatClient, ChatError

PROVIDERS_S = 10.0
"""How long a talk in this process waits at most for the tools' providers to open."""


def talk(
    wav: Annotated[Path, typer.Argument(help="What the user says: WAV, FLAC or Ogg, any rate.")],
    engine: Annotated[str | None, typer.Option(help="Engine to talk to; `auto` takes the best that answers.")] = None,
    persona: Annotated[str | None, typer.Option(help="Persona id.")] = None,
    url: Annotated[str | None, typer.Option(help="Talk to the server at this address instead of in this process.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the agent's sound to this WAV file.")] = None,
    realtime: Annotated[bool, typer.Option("--realtime/--fast", help="At the pace of a live talk, or as fast as the parts allow.")] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
    tools_file: ToolsFile = None,
    test_engines: Annotated[bool, typer.Option("--test-engines", help="Also offer the echo and scripted engines.")] = False,
) -> None:
    """Talk to a persona from a sound file, and tell what was said, when, and how fast."""

    async def work() -> tuple[Account, Pcm]:
        pcm = load_wav(wav)
        if out is not None and not out.parent.is_dir():
            raise CommandError(f"The folder of {out} is not there; make it, or write elsewhere.")
        if url is not None:
            return await _over_the_wire(pcm, url, engine, persona, secret_for_servers())
        settings = load_settings(data_dir=data_dir, db=db, tools_file=tools_file, test_engines=test_engines or None)
        return await _in_process(pcm, settings, TalkRequest(persona=persona, engine=engine, transport="clip"), realtime=realtime)

    account, agent = run(work)
    if out is not None:
        write_wav(out, agent)
        say(f"The agent's sound is in {out}.")
    show(json.dumps(asdict(account), ensure_ascii=False) if as_json else _told(account))


async def _in_process(pcm: Pcm, settings: Settings, request: TalkRequest, *, realtime: bool) -> tuple[Account, Pcm]:
    try:
        bench = await assemble(settings, progress=say, tools=load_tools(settings))
    except StoreError as error:
        if "is held by process" in str(error):
            raise StoreError(
                f"{error} A running server can be talked to with --url http://HOST:PORT, or take another --data-dir."
            ) from error
        raise
    try:
        # A server has time until somebody talks to it; this talk begins now, and runs faster than any provider opens.
        await bench.fleet.settled(PROVIDERS_S)
        clip = ClipInput(pcm)
        talks: list[LiveTalk] = []

        def hang_up(reason: CloseReason) -> None:
            for talk in talks:
                talk.conversation.hang_up(reason)

        driver = ClipDriver(clip, hang_up, keep_sound=True)
        clock = RealtimeClock() if realtime else FastClock()
        live = await bench.sessions.open(request, clip=clip, clock=clock, observers=[driver])
        talks.append(live)
        say(f"Talking to {live.conversation.engine} as {live.persona.persona_id}.")
        await live.closed()
        return driver.account, driver.agent_sound
    finally:
        await bench.close()


async def _over_the_wire(pcm: Pcm, url: str, engine: str | None, persona: str | None, password: str | None) -> tuple[Account, Pcm]:
    """The same over a server's `/api/chat`, at the pace of real time. The server's own events make the account."""
    clip = ClipInput(pcm)
    ended = asyncio.Event()

    def hang_up(_reason: CloseReason) -> None:
        ended.set()

    driver = ClipDriver(clip, hang_up, keep_sound=True)
    async with await ChatClient.connect(url, engine=engine, persona=persona, events=True, token=password) as client:
        say(f"Connected to {url}.")
        sending = asyncio.create_task(_send(client, clip, ended))
        try:
            await _receive(client, driver)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    if not driver.account.session_id:
        raise CommandError(f"The server at {url} told nothing about the talk; it is none of ours, so there is no account of it.")
    return driver.account, driver.agent_sound


async def _send(client: ChatClient, clip: ClipInput, ended: asyncio.Event) -> None:
    """The clip, then silence, a frame every 80 ms, until the talk has nothing more to wait for."""
    began_s = time.monotonic()
    for number in itertools.count(1):
        if ended.is_set():
            break
        await client.send_pcm(clip.take(FRAME_SAMPLES, 0).pcm)
        await asyncio.sleep(max(0.0, began_s + number * FRAME_MS / 1_000 - time.monotonic()))
    await client.hang_up()


async def _receive(client: ChatClient, driver: ClipDriver) -> None:
    heard = 0
    async for message in client.receive():
        match message:
            case Audio():
                sound = client.decode_audio(message)
                driver.on_frame(heard, silence(0), sound)
                heard += sound.size
            case Metadata(type="opened", data=data):
                driver.account.session_id = str(data["session_id"])
            case Metadata(type="event", data=data):
                driver.on_event(events.restore(data["kind"], data["at_samples"], data["noticed_samples"], data["payload"]))
            case ErrorMessage(code=code, message=text):
                raise ChatError(code, f"The server ended the talk: {text or code}")
            case _:
                pass


def _told(account: Account) -> str:
    """An account for people."""
    lines = [f"session {account.session_id}, engine {account.engine}, ended: {account.ended_reason}"]
    for turn in account.turns:
        latency = "" if turn["latency_ms"] is None else f"  ({turn['latency_ms']:+.0f} ms)"
        lines.append(f"{turn['start_ms'] / 1_000:7.2f} s  {turn['speaker']:5}  {turn['text']}{latency}")
    lines += [f"tool {tool['tool']}: {tool['status']}" for tool in account.tool_invocations]
    lines += [f"barge-in at {barge_in['at_ms'] / 1_000:.2f} s: {barge_in['outcome']}" for barge_in in account.barge_ins]
    return "\n".join(lines)
