"""Scenario files: what is read, and that every fault names its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.scenario import Scenario, When, steps_named
from evaluation.scenario_files import ScenarioError, load_scenario, load_suite

GOOD = """\
id: pause
category: pauses
about: A breath inside a request is no invitation.
user:
  - {do: say, id: half, text: What is the}
  - do: say
    id: rest
    text: time in Tokyo?
    when: {after: half, offset_ms: 700}
  - do: type
    id: note
    text: Thank you.
    when: {cue: agent_stops}
expect:
  - {expect: silent, between: [half, rest]}
  - expect: answers
    after: rest
    within_ms: 4000
  - {expect: says, any_of: [noon]}
"""


def write(folder: Path, text: str, name: str = "pause") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    half, rest, note = scenario.user
    assert (scenario.id, scenario.category, half.when, scenario.folder) == ("pause", "pauses", None, tmp_path)
    assert rest.when == When(after="half", offset_ms=700)
    assert note.when == When(cue="agent_stops", nth=1)
    assert [steps_named(expectation) for expectation in scenario.expect] == [("half", "rest"), ("rest",), ()]
    assert len(scenario.content_hash) == 64


def test_the_hash_is_of_the_file_and_its_clips(tmp_path: Path) -> None:
    text = GOOD.replace("{do: say, id: half, text: What is the}", "{do: clip, id: half, clip: clips/half.wav}")
    (tmp_path / "clips").mkdir()
    clip = tmp_path / "clips" / "half.wav"
    hashes = set()
    for content, body in ((text, b"one"), (text, b"two"), (text + "# a remark\n", b"two")):
        clip.write_bytes(body)
        hashes.add(load_scenario(write(tmp_path, content)).content_hash)
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("id: pause", "id: breath", 1, "the file is 'pause'"),
        ("category: pauses", "category: breathing", 2, "breathing"),
        ("    id: rest\n", "    id: half\n", 7, "two steps have the id 'half'"),
        ("{after: half, offset_ms: 700}", "{after: nobody}", 9, "waits for 'nobody'"),
        ("{after: half, offset_ms: 700}", "{after: note}", 9, "waits for 'note'"),
        ("{after: half, offset_ms: 700}", "{after: half, at_ms: 3}", 9, "exactly one of"),
        ("{after: half, offset_ms: 700}", "{at_ms: .inf}", 9, "finite"),
        ("{cue: agent_stops}", "{cue: agent_sneezes}", 13, "agent_sneezes"),
        ("between: [half, rest]", "between: [half, other]", 15, "silent names the step 'other'"),
        ("    after: rest\n", "    after: other\n", 17, "answers names the step 'other'"),
        ("within_ms: 4000", "within_ms: soon", 18, "soon"),
        ("any_of: [noon]", "after: other, any_of: [noon]", 19, "says names the step 'other'"),
        ("any_of: [noon]", "any_of: ['?!']", 19, "no word"),
        (", any_of: [noon]", "", 19, "give any_of"),
        ("expect: says,", "expect: sings,", 19, "sings"),
        ("about: A breath", "id: other\nabout: A breath", 3, "'id' is given twice"),
        ("{do: say, id: half, text: What is the}", "{do: clip, id: half, clip: none.wav}", 5, "cannot be read"),
        ("{do: say, id: half, text: What is the}", "{do: clip, id: half, clip: ../x.wav}", 5, "pattern"),
        ("{do: say, id: half, text: What is the}", "{do: say, id: half", 6, "not YAML"),
    ],
)  # fmt: skip
def test_a_fault_names_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


MESSY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


@MESSY
@given(text=st.text() | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_scenario_or_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text.encode("utf-8", "replace").decode())
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in _paths(part, (*path, key)))]


@MESSY
@given(data=st.data(), broken=VALUES)
def test_a_part_that_is_replaced_is_refused_at_a_line_of_the_file_or_still_fits(tmp_path: Path, data: st.DataObject, broken: Any) -> None:
    content = yaml.safe_load(GOOD)
    path = data.draw(st.sampled_from(_paths(content)[1:]))
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = broken
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    file = write(tmp_path, text)
    try:
        scenario = load_scenario(file)
    except ScenarioError as error:
        line = int(str(error).removeprefix(f"{file}:").split(":")[0])
        assert 1 <= line <= len(text.splitlines())
    else:
        assert Scenario.model_validate(yaml.safe_load(text)).model_dump() == scenario.model_dump()


def _after_scalars(text: str) -> list[tuple[int, int]]:
    """`(line, indentation)` of every place of a block-style file where one more key of the same mapping may stand."""
    keys = [(number, re.match(r"( *(?:- )?)\w+: \S", line)) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number + 1, len(found[1])) for number, found in keys if found is not None]


@MESSY
@given(data=st.data(), key=st.from_regex(r"[a-z]{1,8}_x", fullmatch=True), above=st.integers(0, 3))
def test_a_key_that_does_not_belong_is_told_at_its_line(tmp_path: Path, data: st.DataObject, key: str, above: int) -> None:
    text = yaml.safe_dump(yaml.safe_load(GOOD), sort_keys=False, width=1_000)
    line, indentation = data.draw(st.sampled_from(_after_scalars(text)))
    lines = text.splitlines()
    lines.insert(line - 1, f"{' ' * indentation}{key}: 1")
    file = write(tmp_path, "\n".join(["# a remark"] * above + lines))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(f"{file}:{line + above}: ")
    assert key in str(caught.value)


def test_a_suite_is_a_folder_or_a_file_and_never_empty(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("id: pause", "id: again"), "again")
    assert [scenario.id for scenario in load_suite(str(tmp_path))] == ["again", "pause"]
    assert [scenario.id for scenario in load_suite(str(path))] == ["pause"]
    with pytest.raises(ScenarioError, match="Shipped suites"):
        load_suite(str(tmp_path / "none"))
