"""`deploy/compose.yaml` held against the code: every variable, port, volume, command and health check in it is really there."""

from __future__ import annotations

import ipaddress
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from compose_file import FILE, ROOT, NotSet, environment, rendered
from typer.core import TyperCommand

from deploy import dockerfile
from deploy.env_example import COMPOSE_ONLY, REQUIRED, compose_variables
from workbench.cli import app
from workbench.commands.doctor import NAMES, chosen
from workbench.settings import Settings

PROFILES = (("cpu",), ("gpu",), ("cpu", "n8n"), ("gpu", "n8n", "tls", "tunnel", "turn"))
EVERYTHING = ("cpu", "gpu", "n8n", "tls", "tunnel", "turn")
VARIABLES = {Settings.model_construct().variable(field) for field in Settings.model_fields}


def named(profiles: tuple[str, ...]) -> str:
    return "+".join(profiles)


def parsed(words: list[str]) -> dict[str, Any]:
    """The options of a `workbench` command line, read by the command itself."""
    group = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), words[0])  # type: ignore[attr-defined]
    assert isinstance(command, TyperCommand), f"there is no `workbench {words[0]}`"
    return command.make_context(words[0], words[1:]).params


@pytest.mark.parametrize("name", REQUIRED)
def test_nothing_starts_without_its_secrets(secrets: dict[str, str], name: str) -> None:
    rendered(secrets, EVERYTHING)
    for value in ({}, {name: ""}):
        with pytest.raises(NotSet, match=name):
            rendered({key: text for key, text in secrets.items() if key != name} | value)


def test_no_secret_has_a_default() -> None:
    for name, default in re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*)(?::?-([^}]*))?", FILE.read_text("utf-8")):
        assert not default, f"{name} has a default that somebody could guess"


@pytest.mark.parametrize("profiles", PROFILES, ids=named)
def test_the_services_of_a_profile(secrets: dict[str, str], profiles: tuple[str, ...]) -> None:
    services = rendered(secrets, profiles)["services"]
    wanted = {"cpu": {"workbench", "postgres"}, "gpu": {"workbench-gpu", "gateway", "postgres"}}
    more = {"n8n": {"n8n"}, "tls": {"caddy"}, "tunnel": {"cloudflared"}, "turn": {"coturn"}}
    assert set(services) == set().union(*({**wanted, **more}[profile] for profile in profiles))
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, f"{name} waits for {needed}, which {named(profiles)} does not start"
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[needed]


@pytest.mark.parametrize("profiles", PROFILES, ids=named)
def test_networks_volumes_and_ports(secrets: dict[str, str], profiles: tuple[str, ...]) -> None:
    whole = rendered(secrets, profiles)
    for name, service in whole["services"].items():
        assert set(service.get("networks", [])) <= set(whole["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            own = source.startswith(".") and source != COMPOSE_ONLY["DEPLOY_TUNNEL_CREDENTIALS"][0]
            assert source in whole["volumes"] or not own or (FILE.parent / source).exists(), volume
        for port in service.get("ports", []):
            address = port.rpartition(":")[0]
            assert name == "caddy" or ipaddress.ip_address(address.rpartition(":")[0]).is_loopback, f"{name} listens to everybody: {port}"


@pytest.mark.parametrize("name", ["workbench", "workbench-gpu"])
def test_the_workbench_takes_every_variable_that_it_is_given(secrets: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rendered(secrets, EVERYTHING)
    service = whole["services"][name]
    given = environment(service, secrets)
    assert set(given) <= VARIABLES
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = Settings(_env_file=None)
    assert settings.database == f"postgresql://workbench:{secrets['POSTGRES_PASSWORD']}@postgres:5432/workbench"
    assert settings.password is not None
    assert (settings.host, settings.gateway) == ("0.0.0.0", "off")
    assert service["ports"] == [f"127.0.0.1:7860:{settings.port}"]
    assert service["healthcheck"]["test"][-1] == f"http://127.0.0.1:{settings.port}/health"
    # What the proxies forward is believed of them, and of nobody else in that network.
    proxies = [whole["services"][proxy]["networks"]["inside"]["ipv4_address"] for proxy in ("caddy", "cloudflared")]
    assert list(settings.trusted_proxies) == proxies
    (net,) = whole["networks"]["inside"]["ipam"]["config"]
    assert all(ipaddress.ip_address(proxy) in ipaddress.ip_network(net["subnet"]) for proxy in proxies)
    assert not any(ipaddress.ip_address(proxy) in ipaddress.ip_network(net["ip_range"]) for proxy in proxies)
    assert settings.personaplex_url == ("ws://gateway:8998" if name == "workbench-gpu" else None)


def test_the_gateway_is_asked_for_what_it_can_do(secrets: dict[str, str]) -> None:
    more = {"DEPLOY_SLOTS": "3", "DEPLOY_GATEWAY_OPTIONS": "--weights int8 --kv fp8", "DEPLOY_CHECKPOINT": "me/mine", "HF_TOKEN": "hf_x"}
    environ = {**secrets, **more}
    gateway = rendered(environ, ("gpu",))["services"]["gateway"]
    given = environment(gateway, environ)
    assert given == {"PERSONAPLEX_TOKEN": secrets["PERSONAPLEX_TOKEN"], "HF_TOKEN": "hf_x"}
    assert "HF_TOKEN" not in environment(gateway, secrets), "an empty token is no token"
    options = parsed(["gateway", *shlex.split(gateway["command"])])
    assert (options["checkpoint"], options["slots"], options["weights"], options["kv"]) == ("me/mine", 3, "int8", "fp8")
    assert (options["host"], options["port"], str(options["more_voices"])) == ("0.0.0.0", 8998, "/data/voices")
    assert "ports" not in gateway
    (device,) = gateway["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert gateway["healthcheck"]["test"][-1] == f"http://127.0.0.1:{options['port']}/health"


@pytest.mark.parametrize("name", ["workbench", "gateway"])
def test_an_image_and_its_service_agree(secrets: dict[str, str], name: str) -> None:
    service = rendered(secrets, EVERYTHING)["services"][name]
    steps = dockerfile.read(ROOT / service["build"]["dockerfile"])
    (health,) = [step.text.partition("CMD ")[2] for step in steps if step.kind == "HEALTHCHECK"]
    assert service["healthcheck"]["test"] == ["CMD", *dockerfile.Step("CMD", health, 0).words]
    (exposed,) = [step.text for step in steps if step.kind == "EXPOSE"]
    assert service["healthcheck"]["test"][-1] == f"http://127.0.0.1:{exposed}/health"
    (entry,) = [step.words for step in steps if step.kind == "ENTRYPOINT"]
    (command,) = [step.words for step in steps if step.kind == "CMD"]
    assert entry[0] == "workbench"
    if command != ["--help"]:
        assert parsed([*entry[1:], *command])["port"] is None
    owned = next(step.text for step in steps if step.kind == "RUN" and "useradd" in step.text)
    for volume in service["volumes"]:
        target = volume.split(":")[1]
        assert re.search(rf"install -d -o workbench -g workbench .*{target}\b", owned), f"{target} would be root's"


def test_every_variable_is_described() -> None:
    assert compose_variables() - VARIABLES == (set(REQUIRED) | set(COMPOSE_ONLY)) - VARIABLES
    for name, (default, _told) in COMPOSE_ONLY.items():
        assert set(re.findall(rf"\$\{{{name}:-([^}}]*)\}}", FILE.read_text("utf-8"))) == {default}, name


def test_images_are_pinned(secrets: dict[str, str]) -> None:
    for name, service in rendered(secrets, EVERYTHING)["services"].items():
        if "build" not in service:
            assert re.search(r":\d+(\.\d+)+[\w.-]*$", service["image"]), f"{name}: {service['image']}"


def test_tunnel_and_proxy_lead_to_the_workbench(secrets: dict[str, str]) -> None:
    for name in ("workbench", "workbench-gpu"):
        assert rendered(secrets, EVERYTHING)["services"][name]["networks"]["inside"]["aliases"] == ["workbench"]
    port = Settings.model_fields["port"].default
    tunnel = yaml.safe_load((ROOT / "deploy" / "cloudflared.yaml").read_text("utf-8"))
    assert tunnel["ingress"][0]["service"] == f"http://workbench:{port}"
    assert tunnel["ingress"][-1] == {"service": "http_status:404"}
    service = rendered(secrets, EVERYTHING)["services"]["cloudflared"]
    assert f":{tunnel['credentials-file']}:ro" in service["volumes"][1]
    assert f"reverse_proxy workbench:{port}" in (ROOT / "deploy" / "Caddyfile").read_text("utf-8")


def test_coturn_and_the_workbench_have_the_same_credentials(secrets: dict[str, str]) -> None:
    for environ in (secrets, {**secrets, "WORKBENCH_TURN_USERNAME": "me"}):
        whole = rendered(environ, EVERYTHING)["services"]
        name = whole["workbench"]["environment"]["WORKBENCH_TURN_USERNAME"]
        assert f"--user={name}:{secrets['WORKBENCH_TURN_PASSWORD']}" in shlex.split(whole["coturn"]["command"])


def test_the_readme_names_what_there_is() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    mine = ("Check the machine", "With Docker Compose", "TLS, tunnels and TURN")
    part = "\n".join(section for section in re.split(r"^#+ ", readme, flags=re.M) if section.startswith(mine))
    assert set(re.findall(r"--profile (\w+)", part)) == set(EVERYTHING)
    assert {name for one in re.findall(r"--only ([\w,-]+)", part) for name in chosen(one)} <= set(NAMES)
    (secrets,) = re.findall(r"^for name in (.*); do$", part, re.M)
    assert secrets.split() == list(REQUIRED)
    assert all((ROOT / path).exists() for path in re.findall(r"deploy/[\w.]+\.(?:yaml|example|Dockerfile)", part))
    assert set(re.findall(r"\b(?:DEPLOY|WORKBENCH)_[A-Z_]+\b", part)) <= VARIABLES | set(COMPOSE_ONLY)


def test_docker_compose_reads_it_too(secrets: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    words = ["docker", "compose", "--env-file", str(tmp_path / "env"), "-f", str(FILE), "--profile", "*", "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
