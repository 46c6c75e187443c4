"""Reads scenario files, and says at which line one is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from evaluation.scenario import Clip, Misfit, Scenario

SCENARIOS = Path(__file__).parent / "scenarios"
"""The shipped suites: every folder below is one."""


class ScenarioError(ValueError):
    """A scenario file is wrong. The message names the file, the line and the value."""


def load_scenario(path: Path) -> Scenario:
    """The scenario of one file. Raises ScenarioError with the line of the first fault."""
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ScenarioError(f"{path}{f':{mark.line + 1}' if mark else ''}: not YAML: {error}") from error
    _refuse_doubles(node, path)
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(f"{path}:{_first_fault(node, error)}") from error
    if scenario.id != path.stem:
        raise ScenarioError(f"{path}:{_line(node, ('id',))}: the id is {scenario.id!r}, the file is {path.stem!r}; make them equal")
    digest = hashlib.sha256(text.encode())
    for number, step in enumerate(scenario.user):
        if isinstance(step, Clip):
            try:
                digest.update((path.parent / step.clip).read_bytes())
            except OSError as error:
                line = _line(node, ("user", number, "clip"))
                raise ScenarioError(f"{path}:{line}: the clip {step.clip!r} cannot be read ({error.strerror})") from error
    return scenario.read_from(path.parent, digest.hexdigest())


def load_suite(name: str) -> list[Scenario]:
    """The scenarios of a shipped suite, a folder or a file, by id. Raises ScenarioError, also where there are none."""
    place = SCENARIOS / name if (SCENARIOS / name).is_dir() and "/" not in name else Path(name)
    paths = [place] if place.is_file() else sorted(place.glob("*.yaml"))
    if not paths:
        shipped = ", ".join(sorted({path.parent.name for path in SCENARIOS.glob("*/*.yaml")}))
        raise ScenarioError(f"{name!r} is no suite, no folder with *.yaml and no file. Shipped suites: {shipped or 'none'}.")
    return [load_scenario(path) for path in paths]


def _first_fault(node: Any, error: ValidationError) -> str:
    """`line: where: what`, of the first fault."""
    fault = error.errors()[0]
    reason = fault.get("ctx", {}).get("error")
    loc, given = fault["loc"], f" (given: {_short(fault['input'])})"
    if isinstance(reason, Misfit):
        # Found by looking at the whole: the path is the parts' own, and what was given is the whole file.
        loc, given = reason.loc, ""
    return f"{_line(node, loc)}: {'.'.join(map(str, loc)) or 'the file'}: {fault['msg']}{given}"


def _refuse_doubles(node: Any, path: Path) -> None:
    """YAML lets a key be given twice and keeps the last: half a scenario would be lost without a word."""
    waiting, seen = [node], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, yaml.SequenceNode):
            waiting += part.value
        elif isinstance(part, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in part.value:
                if str(key.value) in keys:
                    raise ScenarioError(f"{path}:{key.start_mark.line + 1}: the key {_short(key.value)} is given twice")
                keys.add(str(key.value))
                waiting.append(value)


def _line(node: Any, loc: tuple[int | str, ...]) -> int:
    """The line, from 1, of the deepest part of `loc` that the file has; a union's tag in it is no key of the file."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                continue
            line, node = found[0].start_mark.line + 1, found[1]
            continue
        else:
            continue
        line = node.start_mark.line + 1
    return line


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
