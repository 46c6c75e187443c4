from __future__ import annotations

from typing import Any

import pytest

from workbench.bridge.local import LocalProvider
from workbench.bridge.provider import CallContext
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Slot, SlotValue, Tool, ToolError, ToolResult
from workbench.bridge.tools import register_builtin
from workbench.testing.tools import ScriptedProvider

PLACE = {"type": "object", "properties": {"place": {"type": "string"}}}


def tool(name: str, *phrases: str, examples: tuple[str, ...] = ("rome", "new york")) -> Tool:
    slot = Slot(lambda words: SlotValue(" ".join(words)), examples)
    return Tool(name, "Do it", PLACE, phrases=phrases, slots={"place": slot}, provider="scripted")


def test_names_are_unique_and_providers_known() -> None:
    registry, provider = Registry(), ScriptedProvider({})
    registry.add(provider, tool("one", "go to {place}"))
    with pytest.raises(ToolError, match="registered already"):
        registry.add(provider, tool("one", "go"))
    with pytest.raises(ToolError, match="two providers are called 'scripted'"):
        registry.add(ScriptedProvider({}))
    with pytest.raises(ToolError, match="names the provider 'scripted' but was added with 'local'"):
        registry.add(LocalProvider(), tool("two", "go"))
    with pytest.raises(ToolError, match="there is no tool called 'three'; known are one"):
        registry["three"]
    assert registry.provider(registry["one"]) is provider


def test_phrases_are_spoken_out_for_each_persona() -> None:
    registry = Registry()
    registry.add(ScriptedProvider({}), tool("one", "what's up in {place}?"), tool("two", "go"))
    assert registry.phrases(("one",)) == ["what is up in rome", "what is up in new york"]
    assert registry.phrases(("two", "ghost")) == ["go"]
    assert registry.phrases(()) == []
    assert registry.unknown(("two", "ghost", "*")) == ["ghost"]
    assert set(registry.phrases()) == {"go", "what is up in rome", "what is up in new york"}


def test_a_big_vocabulary_leaves_room_for_the_others() -> None:
    registry = Registry()
    many = tuple(f"town {'x' * (number % 50)}{'y' * (number // 50)}" for number in range(3_000))
    registry.add(ScriptedProvider({}), tool("big", "go to {place}", examples=many), tool("small", "stay", "wait here"))
    found = registry.phrases(limit=100)
    assert len(found) == 100
    assert {"stay", "wait here"} <= set(found)


def test_builtin_phrases_fit_a_closed_grammar() -> None:
    registry = Registry()
    register_builtin(registry, stats=dict)
    found = registry.phrases()
    assert 1_000 < len(found) < 2_000
    assert {
        "what time is it in tokyo",
        "what is twelve times seven",
        "what is forty two plus eight",
        "how many sessions did we have today",
    } <= set(found)
    assert all(phrase.replace(" ", "").isalpha() for phrase in found)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "../x"}, "tool name '../x' must be"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"phrases": ("go to {town}",)}, "slot 'town' that is not in its parameters"),
        ({"parameters": {"type": "string"}}, "must be a JSON schema of type 'object'"),
        ({"parameters": {"type": "object", "range": []}}, "keyword 'range' is not one of JSON Schema"),
    ],
)
def test_a_tool_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        Tool(**({"name": "x", "description": "Do it", "parameters": PLACE} | fields))


async def test_local_functions() -> None:
    provider = LocalProvider()

    async def later(arguments: Any) -> ToolResult:
        return ToolResult(f"later {arguments['n']}")

    provider.add("now", lambda arguments: ToolResult(f"now {arguments['n']}"))
    provider.add("later", later)
    provider.add("wrong", lambda arguments: 5)  # type: ignore[arg-type, return-value]  # the point of the test
    with pytest.raises(ToolError, match="has a function for now already"):
        provider.add("now", later)

    async def call(name: str) -> ToolResult:
        return await provider.call(Tool(name, "Do it"), {"n": 1}, context=CallContext("k"), on_progress=lambda _fraction, _message: None)

    assert [(await call("now")).spoken, (await call("later")).spoken] == ["now 1", "later 1"]
    with pytest.raises(ToolError, match="gave a int; it must give a ToolResult"):
        await call("wrong")
    with pytest.raises(ToolError, match="has no function for ghost"):
        await call("ghost")
    assert (await provider.probe()).reason == "3 functions in this process"
    provider.close()


def test_a_providers_tools_are_replaced_as_a_whole_or_not_at_all() -> None:
    registry, mine, other = Registry(), LocalProvider("mine"), LocalProvider("other")
    registry.add(mine, Tool("a", "Do a", provider="mine"), Tool("b", "Do b", provider="mine"))
    registry.add(other, Tool("c", "Do c", provider="other"))
    registry.refresh(mine, [Tool("b", "Do b anew", provider="mine")])
    assert sorted(tool.name for tool in registry) == ["b", "c"]
    with pytest.raises(ToolError, match="registered already"):
        registry.refresh(mine, [Tool("d", "Do d", provider="mine"), Tool("c", "Do c", provider="mine")])
    assert sorted(tool.name for tool in registry) == ["b", "c"]


def test_one_tool_catches_commands() -> None:
    registry, provider = Registry(), LocalProvider()
    schema = {"type": "object", "properties": {"message": {"type": "string"}}}
    assert registry.catching is None
    registry.add(provider, Tool("ask", "Ask", schema, catches=True, message_argument="message"))
    assert registry.catching is registry["ask"]
    with pytest.raises(ToolError, match="only one tool can"):
        registry.add(provider, Tool("ask_too", "Ask", schema, catches=True, message_argument="message"))
