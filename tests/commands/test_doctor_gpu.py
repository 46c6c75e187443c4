"""The doctor's words on GPUs: a driver's tool of every shape, and a torch that works or does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.commands.checks import gpu
from workbench.commands.checks.finding import Finding, timed
from workbench.settings import Settings

H100 = "NVIDIA H100 80GB HBM3, 81559, 1559, 570.86.10, 9.0"
SMI = Callable[..., None]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SMI:
    """Puts a driver's tool on the path that tells of `lines`, or fails with `code`."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(*lines: str, code: int = 0) -> None:
        told = "".join(f"print({line!r})\n" for line in lines)
        (tmp_path / "nvidia-smi").write_text(f"#!{sys.executable}\n{told}raise SystemExit({code})\n")
        (tmp_path / "nvidia-smi").chmod(0o755)

    return put


async def gpus() -> list[Finding]:
    return await timed("gpu", gpu.gpu, Settings(_env_file=None))


@pytest.mark.parametrize(
    ("line", "state", "says", "repair"),
    [
        (H100, "ok", "driver 570.86.10, 80000 of 81559 MiB free: room for the full 7B model and 41 talks", ""),
        ("NVIDIA A10G, 23028, 4, 550.54.15, 8.6", "ok", "room for the full 7B model and 3 talks", ""),
        (
            "RTX 4080, 16376, 400, 550.54.15, 8.9",
            "warning",
            "too little for the full 7B model",
            "_OPTIONS='--weights int8'",
        ),
        ("RTX 3050, 8192, 100, 550.54.15, 8.6", "warning", "--cpu-offload", "--context 1500 --cpu-offload' workbench serve"),
        ("Quadro T400, 2048, 0, 550.54.15, 8.6", "warning", "too little for the 7B model in any memory mode", "PERSONAPLEX_URL="),
        ("Tesla V100-SXM2-32GB, 32768, 0, 535.104.05, 7.0", "warning", "compute capability 7.0", "PERSONAPLEX_URL="),
        ("H100, 81559, 70000, 570.86.10, 9.0", "warning", "70000 MiB are in use, by a gateway that runs already", "nvidia-smi"),
        ("H100, 81559, 81000, 570.86.10, 9.0", "warning", "empty it would hold more", "nvidia-smi"),
        ("NVIDIA, Inc. Odd, 40000, 0, 550.54.15, [N/A]", "ok", "0: NVIDIA, Inc. Odd, of unknown compute capability", ""),
    ],
    ids=["h100", "a10g", "4080", "3050", "t400", "v100", "in-use", "full", "odd"],
)
async def test_a_card(smi: SMI, line: str, state: str, says: str, repair: str) -> None:
    smi(line)
    (found,) = await gpus()
    assert (found.state, says in found.found) == (state, True), found
    assert repair in found.repair
    assert bool(found.repair) is (state != "ok")


async def test_two_cards(smi: SMI) -> None:
    smi(H100, "Quadro T400, 2048, 0, 570.86.10, 8.6")
    first, second = await gpus()
    assert (first.state, second.state) == ("ok", "ok")
    assert second.found.startswith("1: Quadro T400")
    assert "uses the first one only" in second.found


@pytest.mark.parametrize(
    ("said", "code", "repair"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "sudo modprobe nvidia"),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "sudo reboot"),
        ('Field "compute_cap" is not a valid field to query.', 2, gpu.UPDATE_DRIVER),
        ("No devices were found", 6, "sudo dmesg | grep -i nvrm"),
        ("NVIDIA GB10, [N/A], [N/A], 580.1, 12.1", 0, "sudo dmesg | grep -i nvrm"),
    ],
    ids=["no-driver", "mismatch", "old-driver", "no-device", "no-memory"],
)
async def test_a_broken_driver(smi: SMI, said: str, code: int, repair: str) -> None:
    smi(said, code=code)
    (found,) = await gpus()
    assert (found.state, found.repair) == ("warning", repair)
    assert found.found.startswith("nvidia-smi failed: ")
    assert said in found.found


async def test_no_driver_and_hidden_cards(smi: SMI, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = await gpus()
    assert (found.state, "No NVIDIA driver is here" in found.found) == ("warning", True)
    smi(H100)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    (found,) = await gpus()
    assert (found.state, found.repair) == ("warning", "unset CUDA_VISIBLE_DEVICES")


async def torch() -> list[Finding]:
    return await timed("torch", gpu.torch, Settings(_env_file=None))


def says(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Instead of torch, another program is tried."""
    monkeypatch.setattr(gpu, "TRIAL", (sys.executable, "-c", program))


def tried(monkeypatch: pytest.MonkeyPatch, **told: object) -> None:
    says(monkeypatch, f"print({json.dumps({'torch': '2.9.1+cu128', 'cuda': '12.8', 'fault': None, 'devices': [], **told})!r})")


async def test_torch_without_a_gpu_is_not_started(smi: SMI, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "raise SystemExit('it was started')")
    (found,) = await torch()
    assert (found.state, "no GPU is here" in found.found) == ("ok", True)
    monkeypatch.setattr(gpu, "missing_packages", lambda: ["torch"])
    (found,) = await torch()
    assert found.state == "ok"
    smi(H100)
    (found,) = await torch()
    assert (found.state, found.repair) == ("warning", "uv sync --extra personaplex")


async def test_torch_that_works_on_one_card_of_two(smi: SMI, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(H100, H100)
    tried(monkeypatch, devices=[{"name": "A", "fault": None, "ms": 7.0}, {"name": "B", "fault": "no kernel image", "ms": 1.0}])
    good, bad = await torch()
    assert (good.state, good.ms, "bfloat16 product on 0: A" in good.found) == ("ok", 7.0, True)
    assert (bad.state, "fails on 1: B: no kernel image" in bad.found) == ("warning", True)


async def test_torch_that_is_of_no_use(smi: SMI, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(H100)
    tried(monkeypatch, fault="Torch not compiled with CUDA enabled", cuda=None)
    (found,) = await torch()
    assert (found.state, found.repair) == ("warning", "uv sync --extra personaplex --reinstall-package torch")
    tried(monkeypatch, fault="The NVIDIA driver on your system is too old (found version 11040).")
    (found,) = await torch()
    assert (found.state, found.repair, "too old" in found.found) == ("warning", gpu.UPDATE_DRIVER, True)
    says(monkeypatch, "import os; os.abort()")
    (found,) = await torch()
    assert (found.state, "torch ended with code -6" in found.found) == ("warning", True)


@pytest.mark.slow
async def test_the_real_torch_where_the_driver_lies(smi: SMI) -> None:
    """A driver's tool that shows a card which torch cannot find is a finding of torch's, in torch's words."""
    smi(H100)
    import torch as real

    if real.cuda.is_available():
        pytest.skip("a real GPU is here")
    (found,) = await torch()
    assert found.state == "warning"
    assert f"torch {real.__version__}" in found.found
    assert "can use no GPU: " in found.found
