"""The GPU benchmark's own path, on a CPU with tiny shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_step
from benchmarks.gpu_tables import Hold, Step, as_markdown
from benchmarks.random_personaplex import random_checkpoint
from workbench.gateway.memory import held_bytes


def test_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    flags = ["--weights", "int8", "--kv", "fp8", "--context", "300", "--batches", "1,2", "--steps", "3", "--hold", "2", "--hold-s", "1.2"]
    gpu_step.main(["--dry-run", *flags, "--json", str(file)])
    told = capsys.readouterr().out
    assert "no figure of a GPU" in told
    assert told.count("\n| ") == 2 + 1 + 2
    found = json.loads(file.read_text())
    assert [step["batch"] for step in found["steps"]] == [1, 2]
    for step in found["steps"]:
        assert step["fault"] == ""
        assert step["n"] == 3
        assert 0 < step["floor_ms"] < step["p50_ms"] <= step["p99_ms"]
        assert step["ready_cold_ms"] > 0 < step["ready_known_ms"]
    (hold,) = found["holds"]
    assert (hold["talks"], hold["ticks"], len(hold["cold_ms"]), len(hold["known_ms"])) == (2, 15, 1, 8)
    assert hold["fault"] == ""


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(SystemExit):
        gpu_step.main([])
    assert "there is no CUDA device; --dry-run" in capsys.readouterr().err


def test_the_big_one_has_the_7bs_shapes() -> None:
    lm = random_checkpoint(torch.device("meta"), tiny=False).load_lm(torch.device("meta"), torch.bfloat16)
    assert held_bytes(lm.parameters()) == 2 * 7_687_729_152


def test_what_does_not_fit_stands_in_its_row() -> None:
    steps = [Step(1, 3, 2.0, 3.0, 1.0, 14.3, 1.5, 20.0, 100.0, 10.0), Step(80, fault="does not fit: too much")]
    lines = as_markdown(steps, [Hold(64, 750, 50.0, 79.0, 0, [90.0], [9.0]), Hold(80, 750, 70.0, 81.0, 30)]).splitlines()
    assert lines[2].startswith("| 1 | 3 | 2.00 | 3.00 | 1.00 | 2.00 | 14.30 |")
    assert lines[3].endswith("does not fit: too much |")
    assert "| yes |" in lines[7]
    assert "| no |" in lines[8]
