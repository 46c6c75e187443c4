"""Who reads the user's words, as the settings say."""

from __future__ import annotations

import pytest

from workbench.assembly import AssemblyError, intent_reader, llm_endpoint
from workbench.bridge.openai_intent import OpenAiClassifier
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.persona_library import PersonaLibrary
from workbench.settings import Settings


def test_rules_unless_told_otherwise() -> None:
    persona = PersonaLibrary().get("myca")
    assert isinstance(intent_reader(Settings(_env_file=None), None, Registry(), persona), RulesClassifier)


def test_a_model_needs_an_address() -> None:
    settings = Settings(_env_file=None, intent="llm", llm_base_url=None)
    with pytest.raises(AssemblyError, match="set WORKBENCH_LLM_BASE_URL, or WORKBENCH_INTENT=rules"):
        intent_reader(settings, llm_endpoint(settings), Registry(), PersonaLibrary().get("myca"))


async def test_a_model_with_an_address() -> None:
    settings = Settings(_env_file=None, intent="llm", llm_base_url="http://127.0.0.1:9/v1")
    endpoint = llm_endpoint(settings)
    assert endpoint is not None
    assert isinstance(intent_reader(settings, endpoint, Registry(), PersonaLibrary().get("myca")), OpenAiClassifier)
    await endpoint.close()
