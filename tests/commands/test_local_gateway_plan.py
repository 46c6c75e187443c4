"""When `workbench serve` starts a gateway by itself: the GPU, the packages and the weights, each there or not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.commands import local_gateway
from workbench.commands.checks import model
from workbench.commands.common import CommandError
from workbench.commands.local_gateway import GatewayPlan, NoGateway, plan_gateway
from workbench.settings import Settings

H100 = "NVIDIA H100 80GB HBM3, 81559, 1559, 570.86.10, 9.0"
A10G = "NVIDIA A10G, 23028, 4, 550.54.15, 8.6"
Driver = Callable[..., None]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Puts a driver's tool on the path that tells of `lines`, or fails."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(local_gateway, "try_to_load_from_cache", lambda _repo, _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(*lines: str, fails: bool = False) -> None:
        tool = tmp_path / "nvidia-smi"
        told = "".join(f"print({line!r})\n" for line in lines)
        tool.write_text(f"#!{sys.executable}\n{told}raise SystemExit({int(fails)})\n")
        tool.chmod(0o755)

    return put


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


def test_a_gpu_and_a_token_start_one(driver: Driver) -> None:
    driver(H100, A10G)
    plan = plan_gateway(settings(hf_token="hf_secret"))
    assert isinstance(plan, GatewayPlan)
    assert (plan.checkpoint, plan.device, plan.slots) == ("nvidia/personaplex-7b-v1", "cuda", 8)
    assert plan.command[:4] == (sys.executable, "-m", "workbench", "gateway")
    assert not any("hf_secret" in part for part in (*plan.command, plan.why))
    assert plan.why == "NVIDIA H100 80GB HBM3 is here and HF_TOKEN is set."


def test_slots_go_by_the_free_memory(driver: Driver) -> None:
    driver(A10G)
    plan = plan_gateway(settings(hf_token="x"))
    assert isinstance(plan, GatewayPlan)
    assert plan.slots == 2
    plan = plan_gateway(settings(hf_token="x", gateway_slots=5))
    assert isinstance(plan, GatewayPlan)
    assert plan.slots == 5


def test_cached_weights_do_without_a_token(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(H100)
    monkeypatch.setattr(local_gateway, "try_to_load_from_cache", lambda _repo, name: f"/cache/{name}")
    plan = plan_gateway(settings())
    assert isinstance(plan, GatewayPlan)
    assert "its weights are cached" in plan.why


@pytest.mark.parametrize(
    ("lines", "given", "reason", "repair"),
    [
        ((), {}, "no CUDA device", "PERSONAPLEX_URL="),
        ((H100,), {}, "gated: accept the licence at https://huggingface.co/nvidia/personaplex-7b-v1", "HF_TOKEN="),
        ((H100,), {"gateway": "off"}, "WORKBENCH_GATEWAY is off", "PERSONAPLEX_URL="),
        ((H100,), {"hf_token": "x", "personaplex_url": "ws://gpu:8998"}, "names another server", "unset PERSONAPLEX_URL"),
        (("what is this",), {"hf_token": "x"}, "nvidia-smi failed", "nvidia-smi"),
    ],
)
def test_why_none_is_started(driver: Driver, lines: tuple[str, ...], given: dict[str, object], reason: str, repair: str) -> None:
    driver(*lines)
    plan = plan_gateway(settings(**given))
    assert isinstance(plan, NoGateway)
    assert reason in plan.reason
    assert repair in plan.repair


def test_a_broken_driver_and_hidden_devices(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver("NVIDIA-SMI has failed", fails=True)
    plan = plan_gateway(settings(hf_token="x"))
    assert isinstance(plan, NoGateway)
    assert "nvidia-smi failed: NVIDIA-SMI has failed" in plan.reason
    with pytest.raises(CommandError, match="CUDA_VISIBLE_DEVICES="):
        plan_gateway(settings(gateway="x/y"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    plan = plan_gateway(settings(gateway="x/y"))
    assert isinstance(plan, GatewayPlan)
    assert (plan.device, plan.slots) == ("cpu", 1)
    assert "far from real time" in plan.why


def test_more_flags_go_to_the_gateway(driver: Driver) -> None:
    driver(H100)
    plan = plan_gateway(settings(hf_token="x", gateway_options="--voices 'my voices' --idle-s 60"))
    assert isinstance(plan, GatewayPlan)
    assert plan.command[-4:] == ("--voices", "my voices", "--idle-s", "60")
    with pytest.raises(CommandError, match="WORKBENCH_GATEWAY_OPTIONS"):
        plan_gateway(settings(hf_token="x", gateway_options="--voices 'my"))


def test_missing_packages(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(H100)
    monkeypatch.setattr("workbench.commands.gateway.find_spec", lambda _name: None)
    plan = plan_gateway(settings(hf_token="x"))
    assert isinstance(plan, NoGateway)
    assert plan.repair == "uv sync --extra personaplex"
    with pytest.raises(CommandError, match="torch and moshi: uv sync"):
        plan_gateway(settings(gateway="x/y"))


def test_asked_for_twice_is_an_error() -> None:
    with pytest.raises(CommandError, match="give one of them"):
        plan_gateway(settings(gateway="x/y", personaplex_url="ws://gpu:8998"))


async def test_the_doctor_says_what_serve_would_do(driver: Driver) -> None:
    driver(H100)
    found = await model.gateway(settings())
    assert (found.state, found.repair) == ("warning", "HF_TOKEN=hf_... workbench serve")
    found = await model.gateway(settings(hf_token="x"))
    assert (found.state, found.repair) == ("ok", "")
    assert "starts one on cuda for 8 talks" in found.found
    found = await model.gateway(settings(personaplex_url="ws://127.0.0.1:9"))
    assert (found.state, found.repair) == ("warning", "unset PERSONAPLEX_URL")
    assert "Nothing can be reached" in found.found
    found = await model.gateway(settings(personaplex_url="ftp://x"))
    assert found.state == "error"
