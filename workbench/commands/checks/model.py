"""The PersonaPlex model: the gateway that answers or would be started, and the account that may fetch its weights."""

from __future__ import annotations

import asyncio

from workbench.commands.checks.finding import NETWORK_TIMEOUT_S, Finding
from workbench.commands.common import CommandError
from workbench.settings import Settings


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


async def hf_token(settings: Settings) -> Finding:
    import httpx

    if settings.hf_token is None:
        found = "HF_TOKEN is not set; it is only needed to fetch the PersonaPlex weights and for Hugging Face TURN."
        return Finding("hugging face token", "warning", found, "export HF_TOKEN=hf_...")
    try:
        async with httpx.AsyncClient(timeout=NETWORK_TIMEOUT_S) as client:
            headers = {"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"}
            told = await client.get("https://huggingface.co/api/whoami-v2", headers=headers)
    except (httpx.HTTPError, UnicodeError) as error:
        found = f"HF_TOKEN is set and could not be tried: huggingface.co cannot be reached ({type(error).__name__})."
        return Finding("hugging face token", "warning", found, "curl -I https://huggingface.co")
    if told.status_code != 200:
        found = f"HF_TOKEN was refused (HTTP {told.status_code}); make one at https://huggingface.co/settings/tokens."
        return Finding("hugging face token", "warning", found, "export HF_TOKEN=hf_...")
    return Finding("hugging face token", "ok", "HF_TOKEN was accepted by huggingface.co.")
