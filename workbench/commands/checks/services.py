"""What the workbench asks over HTTP: the tools' providers and the language model."""

from __future__ import annotations

import time
from contextlib import aclosing

from workbench.commands.checks.finding import Finding
from workbench.settings import Settings

OPEN_S = 10.0
"""Wait for the providers: an MCP server may be a program that has to start."""
ANSWER_S = 8.0
"""Wait for the first words of the language model; it may have to load."""
QUESTION = ({"role": "user", "content": "Say the word ready and nothing else."},)


async def tools(settings: Settings) -> list[Finding]:
    """Every provider of the tools' file, opened and asked."""
    from workbench.bridge.config_faults import ConfigError
    from workbench.bridge.equipment import equip
    from workbench.commands.common import load_tools

    mends = {"mas": "export MAS_ORCHESTRATOR_URL=http://HOST:8001", "n8n": "export N8N_WEBHOOK_URL=http://HOST:5678"}
    try:
        config = load_tools(settings)
        equipment = equip(config, stats=dict)
    except ConfigError as error:
        return [Finding("tools", "error", str(error), f"edit {settings.tools_file or 'workbench.toml'}")]
    try:
        equipment.fleet.start()
        await equipment.fleet.settled(OPEN_S)
        states = await equipment.fleet.states()
    finally:
        await equipment.close()
    found = []
    for state in states:
        told = f"{state.name} ({state.kind}): {state.reason.rstrip('.')}"
        if not state.ready:
            mend = mends.get(state.kind, f"edit {config.where}")
            found.append(Finding("tools", "warning", f"{told}. {state.repair}".strip(), mend))
        else:
            found.append(Finding("tools", "ok", f"{told}; {len(state.tools)} tools.", ms=state.latency_ms))
    return found


async def vllm_omni(settings: Settings) -> Finding:
    """The handshake with the vLLM-Omni server that the settings name."""
    from workbench.assembly import AssemblyError, vllm_omni_engine

    name = "vllm-omni"
    try:
        engine = vllm_omni_engine(settings)
    except AssemblyError as error:
        return Finding(name, "error", str(error), "unset WORKBENCH_VLLM_OMNI_URL")
    if settings.vllm_omni_url is None:
        return Finding(name, "ok", "WORKBENCH_VLLM_OMNI_URL is not set: nobody is asked.")
    answer = await engine.probe()
    if answer.state != "ready":
        return Finding(name, "warning", f"{answer.reason} {answer.repair}", "unset WORKBENCH_VLLM_OMNI_URL")
    return Finding(name, "ok", answer.reason, ms=answer.handshake_ms)


async def language_model(settings: Settings) -> Finding:
    """The endpoint of the classic engine, asked for a word."""
    from workbench.assembly import AssemblyError, llm_endpoint
    from workbench.llm_endpoint import EndpointError

    name = "language model"
    try:
        endpoint = llm_endpoint(settings, first_piece_timeout_s=ANSWER_S)
    except AssemblyError as error:
        return Finding(name, "error", str(error), "unset WORKBENCH_LLM_BASE_URL")
    if endpoint is None:
        return Finding(name, "ok", "WORKBENCH_LLM_BASE_URL is not set: the classic engine answers from the persona's own facts.")
    began_s = time.perf_counter()
    try:
        async with aclosing(endpoint.stream(QUESTION)) as pieces:
            first = await anext(pieces, None)
    except EndpointError as error:
        return Finding(name, "warning", str(error), "unset WORKBENCH_LLM_BASE_URL")
    finally:
        await endpoint.close()
    took_ms = (time.perf_counter() - began_s) * 1_000
    if first is None:
        return Finding(name, "warning", f"{endpoint.model} at {endpoint.host} ended without a word.", "export WORKBENCH_LLM_MODEL=...")
    return Finding(name, "ok", f"{endpoint.model} at {endpoint.host} said its first piece in {took_ms:.0f} ms.", ms=took_ms)
