"""`workbench offline`: a talk with a recording, with the flags of the reference's own script."""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from workbench.audio.frames import FRAME_MS
from workbench.commands.common import CommandError, load_settings, say, show, told_plainly
from workbench.commands.gateway import (
    DEFAULT_CHECKPOINT,
    ContextFrames,
    CpuOffload,
    DeviceName,
    Dtype,
    DtypeName,
    KvName,
    WeightsName,
    choose_device,
    model_faults,
)


def offline(
    voice_prompt: Annotated[str, typer.Option(help="Voice: the name of a file among the voices, such as NATF2.pt.")],
    input_wav: Annotated[Path, typer.Option(help="What the user says: a sound file of any rate.")],
    output_wav: Annotated[Path, typer.Option(help="Where the persona's sound is written, as long as the input.")],
    output_text: Annotated[Path, typer.Option(help="Where its text is written: a JSON list with one piece per frame.")],
    text_prompt: Annotated[str | None, typer.Option(help="Who the persona is; a wise and friendly teacher unless given.")] = None,
    voice_prompt_dir: Annotated[Path | None, typer.Option(help="Folder of voices; else the checkpoint's own.")] = None,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", "--hf-repo", help="A folder, or a repository of the Hugging Face Hub (HF_TOKEN).")
    ] = DEFAULT_CHECKPOINT,
    tokenizer: Annotated[Path | None, typer.Option(help="Text tokenizer instead of the checkpoint's.")] = None,
    moshi_weight: Annotated[Path | None, typer.Option(help="Language model instead of the checkpoint's.")] = None,
    mimi_weight: Annotated[Path | None, typer.Option(help="Codec instead of the checkpoint's.")] = None,
    temp_audio: Annotated[float, typer.Option(help="Temperature of the sound.")] = 0.8,
    temp_text: Annotated[float, typer.Option(help="Temperature of the text.")] = 0.7,
    topk_audio: Annotated[int, typer.Option(help="Candidates of the sound.")] = 250,
    topk_text: Annotated[int, typer.Option(help="Candidates of the text.")] = 25,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the most likely token.")] = False,
    seed: Annotated[int, typer.Option(min=-1, help="Repeats a run; -1 draws one.")] = -1,
    device: DeviceName = "auto",
    dtype: DtypeName = None,
    weights: WeightsName = "full",
    kv: KvName = "full",
    context: ContextFrames = None,
    cpu_offload: CpuOffload = False,
    compare: Annotated[
        Dtype | None,
        typer.Option(help="Also answer greedily with the full model in this type, and print how many tokens of each stream are equal."),
    ] = None,
    output_tokens: Annotated[Path | None, typer.Option(help="Also write the tokens: an .npz file with `out` [frames, 17].")] = None,
    parity: Annotated[bool, typer.Option("--parity", help="The reference's own rows, one frame late.")] = False,
) -> None:
    """Answer a recording with the PersonaPlex model, frame by frame, and write the sound and the text."""
    with told_plainly(), model_faults(), tempfile.TemporaryDirectory(prefix="offline-") as scratch:
        from workbench.gateway.files import LM_FILE, MIMI_FILE, TEXT_FILE
        from workbench.gateway.load import find_checkpoint, load_model
        from workbench.gateway.modes import choose_mode
        from workbench.gateway.offline import DEFAULT_TEXT, OfflineOptions, check_agreement, run_offline
        from workbench.gateway.sampling import GREEDY, Sampling

        mode = choose_mode(weights=weights, kv=kv, context=context, cpu_offload=cpu_offload)
        if compare and parity:
            raise CommandError("--compare and --parity do not go together; leave one out.")
        _check_files(input_wav, output_wav, output_text, output_tokens)
        try:
            sampling = GREEDY if greedy else Sampling(temp_text, topk_text, temp_audio, topk_audio)
        except ValueError as error:
            raise CommandError(str(error)) from error
        chosen_seed = secrets.randbits(63) if seed == -1 else seed
        hub = load_settings().hf_token
        given = {name: path for name, path in ((LM_FILE, moshi_weight), (MIMI_FILE, mimi_weight), (TEXT_FILE, tokenizer)) if path}
        source = checkpoint
        if len(given) < 3:
            say(f"Opening {checkpoint}.")
            source = str(find_checkpoint(checkpoint, token=hub.get_secret_value() if hub is not None else None).folder)
        if given:
            source = str(_with_files(Path(source), given, Path(scratch)))
        where = choose_device(device)
        say(f"Loading it on {where}.")
        found = find_checkpoint(source)
        model = load_model(found, device=where, dtype=dtype, voices=voice_prompt_dir, parity=parity, mode=mode)
        say(f"Memory: {'; '.join(model.memory().lines(model.device))}.")
        if cpu_offload:
            say(model.told_speed(model.warm_up()))
        options = OfflineOptions(
            voice_prompt, input_wav, output_wav, output_text, text_prompt or DEFAULT_TEXT, sampling, chosen_seed, output_tokens
        )
        began_s = time.perf_counter()
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Answering", total=None)
            result = run_offline(model, options, lambda done, frames: bar.update(task, completed=done, total=frames))
        took_s = time.perf_counter() - began_s
        if compare:
            say(f"Comparing with the full model in {compare}, which is loaded beside it.")
            full = load_model(found, device=where, dtype=compare, voices=voice_prompt_dir)
            agreement = check_agreement(full, model, options)
            full.close()
        model.close()
    sound_s = len(result.tokens) * FRAME_MS / 1_000
    drawn = "greedy" if greedy else f"seed {chosen_seed}"
    show(f"{output_wav}: {sound_s:.1f} s of sound in {took_s:.1f} s (real-time factor {took_s / sound_s:.2f}) on {where}, {drawn}.")
    if compare:
        show(f"{mode} beside the full model in {compare}:\n\n{agreement}")


def _check_files(read: Path, *written: Path | None) -> None:
    """What would only be found out after the model was loaded. Raises CommandError."""
    if not read.is_file():
        raise CommandError(f"{read}: no such sound file.")
    for path in written:
        if path is not None and not path.absolute().parent.is_dir():
            raise CommandError(f"{path}: its folder does not exist; make it first.")


def _with_files(folder: Path, given: dict[str, Path], scratch: Path) -> Path:
    """A checkpoint folder in `scratch` in which the `given` files stand in for those of `folder`. Raises CommandError."""
    for path in given.values():
        if not path.is_file():
            raise CommandError(f"{path}: no such file.")
    standing = {entry.name: entry for entry in folder.iterdir()} if folder.is_dir() else {}
    for name, path in {**standing, **given}.items():
        (scratch / name).symlink_to(path.absolute())
    return scratch
