"""The shipped dashboard asks for figures that exist, all of them, with the labels they have; and Prometheus is told where they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from workbench.api.app import create_app
from workbench.assembly import assemble
from workbench.gateway.metrics import Metrics
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts

DEPLOY = Path(__file__).parents[2] / "deploy"
ADDED = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
NO_OWN_LABEL = {"le"}


@pytest.fixture
async def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Metric]:
    """Every figure of the workbench and of the gateway."""
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", turn_fixed_hold_ms=500.0, recording=False)
    bench = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()])
    try:
        registries: list[CollectorRegistry] = [create_app(bench).state.context.telemetry._registry, Metrics().registry]
        return [metric for registry in registries for metric in registry.collect()]
    finally:
        await bench.close()


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "workbench.json").read_text())["panels"]
    return found


def asked() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


async def test_every_figure_is_on_the_dashboard_and_no_other(figures: list[Metric]) -> None:
    known = {metric.name: {f"{metric.name}{added}" for added in ADDED[metric.type]} for metric in figures}
    named = {name for expr in asked() for name in re.findall(r"\b(?:workbench|gateway)_\w+", expr)}
    assert named <= set().union(*known.values()), "the dashboard asks for what nobody counts"
    missing = {name for name, samples in known.items() if not samples & named}
    assert not missing, "put these on the dashboard"


def test_a_panel_stands_on_no_other_and_names_only_labels_it_keeps() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in panels()]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in panels()})
    for panel in panels():
        for target in panel["targets"]:
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))) - NO_OWN_LABEL
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == kept, target


def test_prometheus_is_told_where_both_processes_answer() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    settings = Settings(_env_file=None)
    assert [(job["job_name"], job["metrics_path"], job["static_configs"][0]["targets"]) for job in jobs] == [
        ("workbench", "/metrics", [f"127.0.0.1:{settings.port}"]),
        ("personaplex-gateway", "/metrics", ["127.0.0.1:8998"]),
    ]
