"""The PersonaPlex model: the gateway that answers or would be started, and where its weights come from."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import httpx
from huggingface_hub import CachedRevisionInfo, constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from workbench.commands.checks.finding import NETWORK_TIMEOUT_S, Finding
from workbench.commands.common import CommandError
from workbench.commands.gateway import DEFAULT_CHECKPOINT
from workbench.engines.personaplex.gpus import GpuError, find_gpus
from workbench.gateway.files import FILES, VOICES_FILE
from workbench.settings import GATEWAY_AUTO, GATEWAY_OFF, Settings

DOWNLOAD_BYTES = 18_000_000_000
"""Room for a download of the published checkpoint: 16.7 GB of weights, and the codec and voices."""
NEW_TOKEN = "export HF_TOKEN=hf_..."  # noqa: S105 - what to type, no token
MAX_SAID = 200
"""Characters of what the Hub says that are told."""


async def gateway(settings: Settings) -> Finding:
    """Whether the PersonaPlex server answers that the settings name, or else `workbench serve` would start one."""
    from workbench.assembly import AssemblyError, personaplex_engine
    from workbench.commands.local_gateway import GatewayPlan, plan_gateway

    try:
        plan = await asyncio.to_thread(plan_gateway, settings)
        if isinstance(plan, GatewayPlan):
            return Finding("gateway", "ok", f"`workbench serve` starts one on {plan.device} for {plan.slots} talks. {plan.why}")
        if settings.personaplex_url is None:
            return Finding("gateway", "warning", f"`workbench serve` starts none. {plan.reason}", plan.repair)
        answer = await personaplex_engine(settings).probe()
    except (AssemblyError, CommandError) as error:
        return Finding("gateway", "error", str(error), "unset PERSONAPLEX_URL")
    if answer.state == "unavailable":
        return Finding("gateway", "warning", f"{answer.reason} {answer.repair}", "unset PERSONAPLEX_URL")
    return Finding("gateway", "ok", answer.reason)


async def hugging_face(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> list[Finding]:
    """Whether the token is accepted, and whether its account may fetch the weights: the Hub says so without sending them."""
    name = "hugging face"
    if settings.hf_token is None:
        found = "HF_TOKEN is not set; it is only needed to fetch the PersonaPlex weights and for Hugging Face TURN."
        return [Finding(name, "warning", found, NEW_TOKEN)]
    headers = {"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"}
    repo = _repository(settings)
    async with httpx.AsyncClient(base_url=constants.ENDPOINT, headers=headers, timeout=NETWORK_TIMEOUT_S, transport=transport) as client:
        try:
            who = await client.get("/api/whoami-v2")
            if who.status_code in (401, 403):
                refused = f"HF_TOKEN was refused (HTTP {who.status_code}); make one at {constants.ENDPOINT}/settings/tokens."
                return [Finding(name, "warning", refused, NEW_TOKEN)]
            who.raise_for_status()
            token = Finding(name, "ok", f"HF_TOKEN was accepted by {client.base_url.host}.")
            may = await client.get(f"/api/models/{repo}/auth-check") if repo is not None else None
        except httpx.HTTPStatusError as error:
            odd = f"HF_TOKEN could not be tried: {client.base_url.host} answered HTTP {error.response.status_code}."
            return [Finding(name, "warning", odd, f"curl -I {constants.ENDPOINT}")]
        except (httpx.HTTPError, UnicodeError) as error:
            away = f"HF_TOKEN is set and could not be tried: {client.base_url.host} cannot be reached ({type(error).__name__})."
            return [Finding(name, "warning", away, f"curl -I {constants.ENDPOINT}")]
    return [token] if repo is None or may is None else [token, _access(repo, may)]


def _access(repo: str, may: httpx.Response) -> Finding:
    name, page = "licence", f"{constants.ENDPOINT}/{repo}"
    if may.status_code == 200:
        return Finding(name, "ok", f"The account of HF_TOKEN may fetch {repo}.")
    said = re.sub(r"[^ -~]", " ", may.headers.get("X-Error-Message", ""))[:MAX_SAID].strip()
    if may.headers.get("X-Error-Code") == "GatedRepo" or may.status_code == 403:
        found = f"{repo} is gated and this account may not fetch it: open {page}, log in and accept its licence. {said}"
        return Finding(name, "warning", found.rstrip(), f"xdg-open {page}")
    if may.status_code in (401, 404):
        return Finding(
            name, "warning", f"There is no {repo} that HF_TOKEN may see (HTTP {may.status_code}). {said}".rstrip(), f"xdg-open {page}"
        )
    return Finding(name, "warning", f"Whether {repo} may be fetched is unknown: HTTP {may.status_code}. {said}".rstrip(), f"curl -I {page}")


async def weights(settings: Settings) -> Finding:
    """Which revisions of the checkpoint lie here whole, and whether there is room for a download."""
    return await asyncio.to_thread(_weights, settings)


def _weights(settings: Settings) -> Finding:
    folder = Path(settings.gateway).expanduser()
    if settings.gateway not in (GATEWAY_AUTO, GATEWAY_OFF) and folder.is_dir():
        return _in_folder(folder)
    repo = _repository(settings)
    if repo is None:
        return Finding("weights", "error", f"{settings.gateway} is neither a folder nor a repository.", "unset WORKBENCH_GATEWAY")
    revisions = _cached(repo)
    whole = [_told(revision) for revision in revisions if not _absent(revision)]
    fetch = f"hf download {repo}"
    if whole:
        return Finding("weights", "ok", f"{repo} lies in {constants.HF_HUB_CACHE}: {', '.join(whole)}.")
    if revisions:
        partly = "; ".join(f"{_told(revision)} without {', '.join(_absent(revision))}" for revision in revisions)
        return Finding("weights", "warning", f"{repo} lies in {constants.HF_HUB_CACHE} only in part: {partly}.", fetch)
    place = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(path for path in (place, *place.parents) if path.exists())).free
    told = f"{repo} is not in {constants.HF_HUB_CACHE}, where {free / 1e9:.0f} GB are free"
    if not _gateway_here(settings):
        return Finding("weights", "ok", f"{told}; only a gateway on this machine needs it.")
    if free < DOWNLOAD_BYTES:
        little = f"{told}; it needs {DOWNLOAD_BYTES / 1e9:.0f} GB."
        return Finding("weights", "warning", little, f"HF_HOME=/A/LARGER/DISK {fetch}")
    return Finding("weights", "warning", f"{told}; it is fetched when the gateway starts.", fetch)


def _in_folder(folder: Path) -> Finding:
    # A folder may hold its voices unpacked.
    absent = [file for file in FILES if not (folder / file).is_file() and not (file == VOICES_FILE and (folder / "voices").is_dir())]
    if absent:
        return Finding(
            "weights", "error", f"{folder} holds no {', '.join(absent)}.", f"hf download {DEFAULT_CHECKPOINT} --local-dir {folder}"
        )
    return Finding("weights", "ok", f"{folder} holds all files of a checkpoint.")


def _repository(settings: Settings) -> str | None:
    """Of the gateway that would be started here; None when it is a folder, or nothing that could be one."""
    if settings.gateway in (GATEWAY_AUTO, GATEWAY_OFF):
        return DEFAULT_CHECKPOINT
    return settings.gateway if re.fullmatch(r"\w[\w.-]*/[\w.-]+", settings.gateway) and not Path(settings.gateway).is_dir() else None


def _gateway_here(settings: Settings) -> bool:
    if settings.gateway == GATEWAY_OFF or settings.personaplex_url is not None:
        return False
    try:
        return settings.gateway != GATEWAY_AUTO or bool(find_gpus())
    except GpuError:
        return False


def _cached(repo: str) -> list[CachedRevisionInfo]:
    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return []
    mine = [one for one in found.repos if one.repo_id == repo and one.repo_type == "model"]
    return sorted((revision for one in mine for revision in one.revisions), key=lambda revision: revision.last_modified, reverse=True)


def _absent(revision: CachedRevisionInfo) -> list[str]:
    there = {file.file_name for file in revision.files}
    return [file for file in FILES if file not in there]


def _told(revision: CachedRevisionInfo) -> str:
    refs = f" ({', '.join(sorted(revision.refs))})" if revision.refs else ""
    return f"{revision.commit_hash[:12]}{refs}, {revision.size_on_disk / 1e9:.1f} GB"
