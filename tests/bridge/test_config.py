"""The tools' file: what it switches on, and how its faults are told."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge import config as configuration
from workbench.bridge.access import access_of
from workbench.bridge.config import ConfigError, environment, load, providers
from workbench.bridge.local import LocalProvider
from workbench.bridge.providers.mas import MasProvider
from workbench.bridge.providers.n8n import N8nProvider
from workbench.bridge.registry import Registry
from workbench.bridge.tools import web_page
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving

EXAMPLE = Path(__file__).parents[2] / "workbench.example.toml"
SECRET = "do-not-tell-5e1f"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tools.toml"
    path.write_text(text)
    return path


def fault(tmp_path: Path, text: str, **environ: str) -> str:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        providers(load(path, environ))
    told = str(refused.value)
    assert told.startswith(f"{path}: ")
    return told.removeprefix(f"{path}: ")


async def test_the_example_is_read_as_it_stands() -> None:
    config = load(EXAMPLE, {})
    assert [provider.name for provider in providers(config)] == ["mas", "n8n", "files", "home"]
    assert [server.name for server in config.mcp] == ["files", "home"]
    assert config.mcp[0].tiers == {"read_file": "read", "write_file": "write"}
    assert config.mcp[0].phrases == {"read_file": ("read the file {path}",)}
    (webhook,) = config.webhooks
    assert (webhook.tool.name, webhook.tool.tier, webhook.path, webhook.action) == ("start_backup", "write", "myca/command", "backup")
    webhook.tool.check({"what": "the database"})
    assert config.web is not None
    assert config.web.allowed.check("https://en.wikipedia.org/wiki/Mushroom")


def test_what_the_example_comments_out_are_the_defaults(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    shown = re.sub(
        r"(?m)^# (?=(timeout_s|late_s|tier|catches|agents|actor|concurrency|breaker_\w+|answer_bytes|result_bytes) = )", "", text
    )
    assert shown.count("\n# ") < text.count("\n# ") - 10
    plain, written_out = load(EXAMPLE, {}), load(written(tmp_path, shown), {})
    assert (plain.mas, plain.n8n, plain.web, plain.limits) == (written_out.mas, written_out.n8n, written_out.web, written_out.limits)
    assert written_out.mas == configuration.Mas(url="http://127.0.0.1:8001")
    assert written_out.limits == configuration.Limits()


def test_without_a_file_and_variables_nothing_is_switched_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {})
    assert (providers(config), config.web, config.where) == ([], None, "the environment")


def test_the_file_in_the_working_directory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("workbench.toml").write_text('[web]\nhosts = ["example.org"]')
    assert load(None, {}).web is not None


@pytest.mark.parametrize("variable", ["MAS_ORCHESTRATOR_URL", "MAS_API_URL", "N8N_WEBHOOK_URL", "N8N_URL"])
def test_one_variable_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.chdir(tmp_path)
    (provider,) = providers(load(None, {variable: "http://127.0.0.1:9"}))
    assert isinstance(provider, MasProvider if variable.startswith("MAS") else N8nProvider)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[mas]\nurl = "http://a"\ntimeout_s = 3')
    config = load(path, {"MAS_ORCHESTRATOR_URL": "http://b"})
    assert config.mas == configuration.Mas(url="http://b", timeout_s=3)


async def test_a_secret_is_found_by_its_name_and_shown_nowhere(tmp_path: Path) -> None:
    stub = MasStub(token=SECRET)
    async with serving(stub.app) as url:
        for text, variable in (
            (f'[mas]\nurl = "{url}"\ntoken_env = "LAB"', "LAB"),
            (f'[mas]\nurl = "{url}"', "MAS_INTERNAL_SERVICE_TOKEN"),
        ):
            config = load(written(tmp_path, text), {variable: SECRET})
            assert SECRET not in repr(config)
            (provider,) = providers(config)
            assert await provider.open()
            await provider.close()


def test_variables_of_dotenv_lie_beneath_those_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LAB_A=file\nLAB_B=file\n")
    monkeypatch.setenv("LAB_B", "process")
    found = environment(tmp_path)
    assert (found["LAB_A"], found["LAB_B"]) == ("file", "process")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[mas\n", "this is not TOML"),
        ("[maz]\n", "maz: no such key; known are mas, n8n, mcp, web, limits, access"),
        ("[mas]\n", "[mas] url: it is missing; write it there, or set MAS_ORCHESTRATOR_URL"),
        ('[mas]\nurl = "ftp://x"', "MAS_ORCHESTRATOR_URL or mas.url must begin with http"),
        ('[mas]\nurl = "http://x"\ntimeout_s = -1', "[mas] timeout_s: Input should be greater than 0 (it is -1)"),
        ('[mas]\nurl = "http://x"\ntimeout = 1', "[mas] timeout: no such key; known are url, token_env,"),
        ('[mas]\nurl = "http://x"\ntier = "safe"', "[mas] tier: Input should be 'read', 'write' or 'destructive' (it is 'safe')"),
        ('[mas]\nurl = "http://x"\ntoken_env = "LAB_TOKEN"', "[mas] token_env: the environment variable LAB_TOKEN is not set"),
        ('[n8n]\nurl = "http://x"\nheader = "X-Token"', "[n8n] token_env: header and token_env belong together"),
        ('[n8n]\nurl = "http://x"\n[[n8n.tool]]\nname = "a"', "[[n8n.tool]] 1: tool a: description: Field required"),
        (
            '[n8n]\nurl = "http://x"\n[[n8n.tool]]\nname = "a"\ndescription = "Do a"\ntier = "read"\npath = "../x"',
            "[[n8n.tool]] 1: tool a: path '../x' must be words joined by '/'",
        ),
        (
            '[n8n]\nurl = "http://x"\n[[n8n.tool]]\nname = "a"\ndescription = "Do a"\ntier = "read"\naction = 3',
            "[[n8n.tool]] 1 action: must be a text",
        ),
        ('[[mcp]]\nname = "a"\nurl = "http://x"\n[[mcp]]\nname = "b"', "[[mcp]] 2: mcp server b: give either a command"),
        ('[[mcp]]\nname = "a"\ncmd = "x"', "[[mcp]] 1 cmd: no such key; known are name, command,"),
        ('[[mcp]]\nname = "a"\ncommand = "x"\ntiers = { x = "safe" }', "[[mcp]] 1 [tiers] x: Input should be"),
        ('[[mcp]]\ncommand = "x"', "[[mcp]] 1 name: it is missing"),
        ("[web]\nhosts = []", "[web] hosts: "),
        ('[web]\nhosts = ["https://example.org"]', "[web] hosts: 'https://example.org' is not a host"),
        ('[web]\nhosts = ["a.org"]\nnetworks = ["10.0.0.1/8"]', "[web] networks: 10.0.0.1/8 has host bits set"),
        ("[limits]\nconcurrency = 0", "[limits] concurrency: Input should be greater than or equal to 1 (it is 0)"),
        ("[access.users.ada]\nallow = ['*']", "[access.users.ada] allow: no such key; known are allowed, denied"),
        ("[access.users.ada]\nallowed = 'all'", "[access.users.ada] allowed: Input should be a valid list (it is 'all')"),
        ("[access.users.ada]\ndenied = ['']", "[access.users.ada.denied] 0: String should have at least 1 character"),
        ("[access.personas.casual]\nallowed = ['*']", "[access.personas.casual] allowed: no such key; known are denied"),
        ("[access.people]", "[access] people: no such key; known are users, personas"),
        ("[limits]\nconcurrency = true", "[limits] concurrency: Input should be a valid integer (it is True)"),
    ],
)
def test_a_fault_is_told_with_its_place_and_mend(tmp_path: Path, text: str, says: str) -> None:
    assert fault(tmp_path, text).startswith(says)


@pytest.mark.parametrize(
    "text",
    [
        f'[mas]\nurl = "http://x"\ntoken = "{SECRET}"',
        f'[mas]\nurl = "http://x"\ntoken_env = "{SECRET}"',
        f'[mas]\nurl = "http://me:{SECRET}@x"',
        f'[n8n]\nurl = "http://x"\napi_key = "{SECRET}"',
        f'[n8n]\nurl = "http://x"\n[[n8n.tool]]\nname = "a"\nsecret = "{SECRET}"',
        f'[[mcp]]\nname = "a"\ncommand = "x"\npassword = "{SECRET}"',
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    told = fault(tmp_path, text)
    assert SECRET not in told
    assert "environment variable" in told


def test_a_secret_that_no_header_can_carry_is_told_by_its_header(tmp_path: Path) -> None:
    told = fault(tmp_path, '[n8n]\nurl = "http://x"\nheader = "X-T"\ntoken_env = "T"', T=f"{SECRET}\n")
    assert "X-T" in told
    assert SECRET not in told


def test_a_named_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read \(No such file or directory\); correct WORKBENCH_TOOLS_FILE"):
        load(tmp_path / "nowhere.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "latin.toml", {})


def test_users_and_personas_may_have_different_tools_used(tmp_path: Path) -> None:
    text = """
        [access.users."*"]
        denied = ["agent_backup_keeper"]
        [access.users."Ada@example.org"]
        allowed = ["n8n_*", "time_in_place"]
        [access.personas.casual]
        denied = ["time_*"]
    """
    rules = load(written(tmp_path, text), {}).access

    def may(persona: str, user: str, tool: str) -> bool:
        return access_of(rules.table(persona), user).refusal(tool) is None

    assert may("myca", "", "time_in_place")
    assert not may("myca", "", "agent_backup_keeper")
    assert not may("casual", "", "time_in_place")
    assert may("myca", "ada@example.org", "n8n_backup")
    assert not may("myca", "ada@example.org", "arithmetic")
    assert not may("casual", "ada@example.org", "time_in_place")
    assert access_of(configuration.NO_TOOLS.access.table("casual"), "bob").refusal("anything") is None


def test_pages_can_be_read_only_where_hosts_are_listed(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[web]\nhosts = ["example.org"]\ntimeout_s = 4'), {})
    assert config.web is not None
    registry, local = Registry(), LocalProvider()
    web_page.register(registry, local, config.web.allowed, config.web.timeout_s)
    assert (registry["read_page"].tier, registry["read_page"].timeout_s) == ("read", 4)
    local.close()


_VALUES = st.recursive(
    st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=True)
    | st.text(max_size=6)
    | st.sampled_from(["http://x", "read", "*", "A_B"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_NAMES = """url token_env timeout_s tier header tool name command args env headers tools tiers phrases hosts networks users personas
    allowed denied concurrency result_bytes description parameters path action token"""
_KEYS = st.sampled_from(_NAMES.split())
_TABLE = st.recursive(
    st.dictionaries(_KEYS, _VALUES, max_size=5), lambda inner: st.dictionaries(_KEYS, inner | _VALUES, max_size=3), max_leaves=4
)
_TABLES = st.dictionaries(
    st.sampled_from(["mas", "n8n", "mcp", "web", "limits", "access", "other"]), _TABLE | st.lists(_TABLE, max_size=3) | _VALUES, max_size=4
)


@given(_TABLES)
def test_whatever_a_file_holds_it_is_read_or_refused_with_its_place(tables: dict[str, object]) -> None:
    with mock.patch.object(configuration, "_read", return_value=("tools.toml", tables)):
        try:
            load(None, {"A_B": "secret"})
        except ConfigError as refused:
            assert str(refused).startswith("tools.toml: ")  # noqa: PT017 - either way is right
