"""The language model that judges, for the forms that have one."""

from __future__ import annotations

from evaluation.judge import JUDGE_WAIT_S
from workbench.assembly import AssemblyError, llm_endpoint
from workbench.commands.common import CommandError
from workbench.llm_endpoint import OpenAiEndpoint
from workbench.settings import Settings


def judge_endpoint(settings: Settings) -> OpenAiEndpoint:
    """The endpoint of the settings, with the patience that a judge needs. Raises CommandError when none can be used."""
    try:
        endpoint = llm_endpoint(settings, first_piece_timeout_s=JUDGE_WAIT_S)
    except AssemblyError as error:
        raise CommandError(str(error)) from error
    if endpoint is None:
        raise CommandError("There is no language model to judge with; set WORKBENCH_LLM_BASE_URL and WORKBENCH_LLM_MODEL.")
    return endpoint
