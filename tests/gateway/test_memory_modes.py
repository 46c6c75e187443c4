"""Smaller weights, smaller rings, layers in host memory: what they need is known before, and what they change is bounded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import Talk, load_golden, make_prompt, run, streaming
from hypothesis import given
from hypothesis import strategies as st
from moshi.models import loaders
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel
from torch import nn

from workbench.gateway import memory
from workbench.gateway.checkpoint import Checkpoint, CheckpointError
from workbench.gateway.generator import Generator
from workbench.gateway.kv_cache import FP8_MOST, Fp8Ring, pack, unpack
from workbench.gateway.load import load_model
from workbench.gateway.memory import fit, load_fitted, predict, room_left
from workbench.gateway.model import Model
from workbench.gateway.modes import PLAIN, MemoryMode, ModeError, choose_mode
from workbench.gateway.prefill import Prefiller
from workbench.gateway.quantize import Int8Linear
from workbench.gateway.snapshots import Snapshots

CPU = torch.device("cpu")
MODES = (
    PLAIN,
    MemoryMode("int8"),
    MemoryMode(kv="fp8"),
    MemoryMode(context=300),
    MemoryMode(cpu_offload=True),
    MemoryMode("int8", "fp8", 300, True),
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@contextmanager
def loaded(checkpoint: Checkpoint, folder: Path, mode: MemoryMode, dtype: torch.dtype = torch.float32, rows: int = 2) -> Iterator[Model]:
    made = Model(checkpoint, rows=rows, device=CPU, dtype=dtype, voices=folder, mode=mode)
    yield made
    made.close()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_what_was_told_before_is_what_it_takes(tiny: Checkpoint, voice_folder: Path, mode: MemoryMode, dtype: str) -> None:
    told = predict(tiny, 2, DTYPES[dtype], mode)
    with loaded(tiny, voice_folder, mode, DTYPES[dtype]) as model:
        assert np.isfinite(model.warm_up())
        assert model.memory() == dataclasses.replace(told, passing=0)
        assert "2 slots" in " ".join(model.memory().lines(CPU))


def test_each_mode_is_smaller(tiny: Checkpoint) -> None:
    plain, int8, fp8, shorter, offloaded, _all = (predict(tiny, 2, torch.bfloat16, mode) for mode in MODES)
    assert int8.weights < 0.92 * plain.weights  # the tiny model is mostly embeddings
    assert 0.5 * plain.kv_slot < fp8.kv_slot < 0.51 * plain.kv_slot
    assert shorter.kv_slot < 0.11 * plain.kv_slot
    # With two layers there are two buffers, and nothing is won but the proof that it works.
    assert offloaded.host_weights > 0


def test_the_7b(tmp_path: Path) -> None:
    """The counts of the published file: 7,687,729,152 parameters with 8 depth steps, 1.573 GB of keys and values a slot."""
    checkpoint = Checkpoint(tmp_path, {**loaders._lm_kwargs, "dep_q": 16}, loaders._mimi_config, "7B")
    int8 = predict(checkpoint, 1, torch.bfloat16, MemoryMode("int8", "fp8"))
    assert int8.weights == pytest.approx(8.0e9, rel=0.01)
    assert int8.kv_slot == pytest.approx(1.573e9 / 2, rel=0.001)
    offloaded = predict(checkpoint, 1, torch.bfloat16, MemoryMode(cpu_offload=True))
    assert offloaded.host_weights == pytest.approx(32 * 2 * (4 * 4096**2 + 3 * 4096 * 11264), rel=0.001)
    assert offloaded.weights == pytest.approx(2 * 7_687_729_152 - offloaded.host_weights * 30 / 32, rel=0.001)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from(list(DTYPES)))
def test_int8_is_within_half_a_step(rows: int, columns: int, seed: int, dtype: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * torch.rand(rows, 1, generator=generator) * 4
    weight[0] = 0
    packed = Int8Linear(weight, CPU, DTYPES[dtype])
    shown = packed(torch.eye(columns, dtype=DTYPES[dtype])).float().T
    step = packed.scale.float()[:, None]
    # The largest value may lie beyond 127 steps by the rounding of the scale, and a product is rounded once.
    slack = (1 / 2 + 127 / 256) * step if dtype == "bfloat16" else 0.5001 * step
    assert ((shown - weight).abs() <= slack + 1e-12).all()
    assert (shown[0] == 0).all()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_fp8_is_within_a_sixteenth(values: list[float]) -> None:
    exact = torch.tensor(values)
    shown = unpack(pack(exact), torch.float32)
    clipped = exact.clamp(-FP8_MOST, FP8_MOST)
    assert ((shown - clipped).abs() <= (clipped.abs() / 16).clamp(min=2**-10)).all()


def test_a_nan_stays_one() -> None:
    assert unpack(pack(torch.tensor([torch.nan])), torch.bfloat16).isnan().all()


def test_damaged_weights_are_not_hidden_by_int8(tiny: Checkpoint) -> None:
    lm = tiny.load_lm(CPU, torch.bfloat16)
    lm.linears[3].weight.data[5, 2] = torch.nan
    with pytest.raises(CheckpointError, match="not numbers"):
        fit(lm, CPU, torch.bfloat16, MemoryMode("int8"))


@pytest.mark.parametrize("mode", [MemoryMode("int8"), MemoryMode(kv="fp8"), MemoryMode("int8", "fp8")], ids=str)
def test_rounded_models_follow_the_exact_one(
    tiny: Checkpoint, tiny_folder: Path, lm_f32: LMModel, voice_mimi: MimiModel, voice_files: dict[str, Path], mode: MemoryMode
) -> None:
    """The prompt's last output differs little, and a batch says what a row alone says."""
    golden = load_golden(tiny_folder, "f32_wav")
    lm, _stream = load_fitted(tiny, CPU, torch.float32, mode, context=3000)
    outputs = []
    for each in (lm_f32, lm):
        prompt = make_prompt("TINYW0.wav", golden["text_prompt_ids"], each, voice_mimi, voice_files)
        with streaming(each, 1) as (prefiller, _generator):
            hidden = prefiller.run(prompt).hidden
            assert hidden is not None
            outputs.append(hidden)
    off = ((outputs[1] - outputs[0]).norm() / outputs[0].norm()).item()
    assert 0 < off < 0.06
    alone, beside, other = (Talk(prompt, golden["user_codes"][:30], row) for row in (0, 1, 2))
    beside.joins, other.user = 4, golden["user_codes"][30:60]
    with streaming(lm, 1) as parts:
        run([alone], *parts)
    with streaming(lm, 3) as parts:
        run([beside, other], *parts)
    np.testing.assert_array_equal(alone.tokens, beside.tokens)


def test_fp8_goes_round_its_ring(tiny: Checkpoint, tiny_folder: Path, voice_mimi: MimiModel, voice_files: dict[str, Path]) -> None:
    """Past the end of a short window it still gives what the same window with exact keys gives, nearly."""
    golden = load_golden(tiny_folder, "f32_ctx64")
    hidden = []
    for mode in (PLAIN, MemoryMode(kv="fp8")):
        lm, _stream = load_fitted(tiny, CPU, torch.float32, mode, context=63)
        prompt = make_prompt("TINYW0.wav", golden["text_prompt_ids"], lm, voice_mimi, voice_files)
        assert prompt.frames > 63
        with streaming(lm, 1) as (prefiller, _generator):
            snapshot = prefiller.run(prompt)
            assert snapshot.hidden is not None
            hidden.append(snapshot.hidden)
    assert (hidden[1] - hidden[0]).norm() < 0.06 * hidden[0].norm()


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("mode", [MemoryMode(cpu_offload=True), MemoryMode("int8", cpu_offload=True)], ids=str)
def test_streamed_layers_are_the_same_layers(tiny: Checkpoint, layers: int, mode: MemoryMode) -> None:
    """The buffers are spoilt before every pass, so that only what is copied in can count."""
    torch.manual_seed(layers)
    kwargs = {**tiny.lm_kwargs, "num_layers": layers, "context": 16}
    plain = loaders.get_moshi_lm(None, lm_kwargs=kwargs, device="cpu", dtype=torch.float32)
    other = loaders.get_moshi_lm(None, lm_kwargs=kwargs, device="cpu", dtype=torch.float32)
    other.load_state_dict(plain.state_dict())
    fit(plain, CPU, torch.float32, dataclasses.replace(mode, cpu_offload=False))
    stream = fit(other, CPU, torch.float32, mode)
    assert stream is not None
    assert len(stream.host) == layers
    assert len(stream.buffers) == min(layers, 2 + layers % 2)
    generators = Generator(plain, 2), Generator(other, 2)
    user = torch.randint(0, 2048, (20, 2, 8))
    for codes in user:
        for buffer in stream.buffers:
            buffer.fill_(0x7F)
        first, second = (generator.step(codes, [True, True]) for generator in generators)
        assert second.finite.all()
        torch.testing.assert_close(first.tokens, second.tokens, rtol=0, atol=0)
    for generator in generators:
        generator.close()


def test_offload_captures_no_graph(tiny: Checkpoint, voice_folder: Path) -> None:
    with loaded(tiny, voice_folder, MemoryMode(cpu_offload=True)) as model:
        assert not model.generator.capturing


def test_int8_leaves_no_plain_layer(tiny: Checkpoint) -> None:
    lm, _stream = load_fitted(tiny, CPU, torch.bfloat16, MemoryMode("int8"), context=300)
    assert not [name for name, module in lm.named_modules() if isinstance(module, nn.Linear)]
    prefiller = Prefiller(lm, Snapshots(1 << 20))
    assert prefiller
    with lm.transformer.streaming(1):
        rings = [part.kv_cache for part in lm.transformer.get_streaming_state().values() if getattr(part, "kv_cache", None)]
    assert {ring.cache.dtype for ring in rings} == {torch.bfloat16}
    assert not any(isinstance(ring, Fp8Ring) for ring in rings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": "int4"}, "coherence.*take --weights int8"),
        ({"weights": "NF4"}, "coherence"),
        ({"weights": "4bit"}, "coherence"),
        ({"weights": "int16"}, "choose full or int8"),
        ({"kv": "fp4"}, "choose full or fp8"),
        ({"context": 100}, "at least 250"),
    ],
)
def test_what_is_no_mode(given: dict[str, object], message: str) -> None:
    with pytest.raises(ModeError, match=message) as caught:
        choose_mode(**given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_names_and_flags() -> None:
    mode = choose_mode(weights="int8", kv="fp8", context=500, cpu_offload=True)
    assert mode == MemoryMode("int8", "fp8", 500, True)
    assert mode.flags() == "--weights int8 --kv fp8 --context 500 --cpu-offload"
    assert choose_mode() == PLAIN
    assert PLAIN.flags() == ""


def test_a_window_longer_than_the_models(tiny: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="3000 that personaplex was trained with"):
        load_model(tiny, device="cpu", mode=MemoryMode(context=3001))


def test_too_little_memory_names_what_would_fit(tiny: Checkpoint, voice_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def advice(slots: int, spare: MemoryMode | int, mode: MemoryMode = PLAIN) -> str:
        free = spare if isinstance(spare, int) else predict(tiny, slots, torch.float32, spare).device
        monkeypatch.setattr(memory, "free_bytes", lambda _device: free)
        with pytest.raises(CheckpointError, match=r"GiB are free; ") as caught:
            room_left(tiny, slots, CPU, torch.float32, mode)
        assert "\n" not in str(caught.value)
        return str(caught.value).split("free; ")[1]

    assert advice(1, MemoryMode("int8")) == "--weights int8 would need 0.0 GiB"
    assert advice(1, MemoryMode("int8", "fp8")) == "--weights int8 --kv fp8 would need 0.0 GiB"
    smallest = MODES[-1]
    told = predict(tiny, 5, torch.float32, smallest)
    assert advice(40, told.device + told.host_weights + 10, smallest) == "--slots 5 would fit"
    assert advice(1, 1_000).startswith("close other programs")
    with pytest.raises(CheckpointError, match="personaplex with 1 slots"):
        Model(tiny, rows=1, device=CPU, dtype=torch.float32, voices=voice_folder)


def test_offload_needs_host_memory_too(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    mode, cuda = MemoryMode(cpu_offload=True), torch.device("cuda")
    layer = predict(tiny, 1, torch.bfloat16, mode).host_weights // 2
    locked = 2 * (1 << (layer - 1).bit_length())
    assert locked > 2 * layer
    room = {cuda: 1 << 40, CPU: locked}
    monkeypatch.setattr(memory, "free_bytes", room.__getitem__)
    assert room_left(tiny, 1, cuda, torch.bfloat16, mode) > 0
    room[CPU] = locked - 1
    with pytest.raises(CheckpointError, match=r"of host memory.*add --weights int8"):
        room_left(tiny, 1, cuda, torch.bfloat16, mode)


def test_prompts_are_kept_only_where_there_is_room(tiny: Checkpoint, voice_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = predict(tiny, 1, torch.float32, PLAIN).device + 200_000
    monkeypatch.setattr(memory, "free_bytes", lambda _device: free)
    made = Model(tiny, rows=1, device=CPU, dtype=torch.float32, voices=voice_folder)
    made.warm_up()
    assert made.snapshots.held_bytes <= 100_000
    made.close()
