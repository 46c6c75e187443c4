"""The order of the rooms, read from the imports: a room imports only from rooms above it, and no two modules import each other."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("workbench", "evaluation")
"""`evaluation` is a package of its own and one room."""

ROOMS = (
    "log_context",
    "trace_headers",
    "audio",
    "protocol",
    "pieces",
    "wire_client",
    "clock",
    "events",
    "talk",
    "llm_endpoint",
    "dynamics",
    "settings",
    "prompt_guide",
    "personas",
    "persona_library",
    "engines",
    "conversation",
    "bridge",
    "store",
    "analysis",
    "sessions",
    "transports",
    "gateway",
    "log_setup",
    "voice_shelf",
    "testing",
    "assembly",
    "telemetry",
    "evaluation",
    "api",
    "app",
    "space",
    "commands",
    "cli",
    "__main__",
)
"""From the ground up. Two rooms side by side that know nothing of each other still have an order here."""

MAY_IMPORT = {
    "audio": set(),
    "protocol": {"audio"},
    "pieces": set(),
    "clock": {"audio"},
    "events": set(),
    "talk": {"audio", "clock", "events"},
    "dynamics": set(),
    "settings": set(),
    "llm_endpoint": set(),
    "prompt_guide": set(),
    "log_context": set(),
    "trace_headers": set(),
    "bridge": {"audio", "llm_endpoint", "events", "talk", "clock", "trace_headers"},
    "gateway": {"audio", "protocol", "pieces", "trace_headers"},
}
"""Rooms that may see even less than what lies above them."""


def modules() -> dict[str, Path]:
    found = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of our packages that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith(PACKAGES)}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            if node.module and node.module.startswith(PACKAGES):
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & known.keys()
                found |= inner or {node.module}
    return found


def room(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] == "evaluation":
        return parts[0]
    return parts[1] if len(parts) > 1 else None


def test_every_module_stands_in_a_known_room() -> None:
    assert {room(module) for module in modules()} - {None} <= set(ROOMS)


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_room_imports_only_from_rooms_above_it(module: str) -> None:
    known = modules()
    own = room(module)
    if own is None:
        return
    allowed = MAY_IMPORT.get(own, set(ROOMS[: ROOMS.index(own)])) | {own}
    for imported in imports(known[module], known):
        other = room(imported)
        assert other is None or other in allowed, f"{module} imports {imported}: {own} may import only {sorted(allowed)}"


def test_no_two_modules_import_each_other() -> None:
    known = modules()
    graph = {module: imports(path, known) - {module} for module, path in known.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", sorted(m for m in modules() if room(m) not in {"gateway", None}))
def test_nothing_but_the_gateway_imports_torch(module: str) -> None:
    """An import inside a function is allowed: that is how an optional part is loaded once it was chosen."""
    for node in ast.parse(modules()[module].read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & {"torch", "moshi", "pocket_tts"}, module


def test_the_reader_sees_an_import_where_there_is_one() -> None:
    known = modules()
    assert "workbench.clock" in imports(known["workbench.talk"], known)
