import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.persona_library import PersonaLibrary, shipped_dir
from workbench.personas import Persona, PersonaError, diff, lint, load, parse, render
from workbench.prompt_guide import PROMPT_CHARS, PROMPT_TOKENS, ROLES, check, estimated_tokens

FILE = "---\nname: Ada\nvoice: NATF0\nrole: assistant\n---\nYou are Ada. You know {what}.\n"


def persona(**changes: object) -> Persona:
    values: dict[str, object] = {
        "persona_id": "ada",
        "name": "Ada",
        "voice": "NATF0",
        "role": "assistant",
        "prompt": "You are Ada. You count.",
    }
    return Persona(**(values | changes))  # type: ignore[arg-type]  # the keys are the field names


@pytest.mark.parametrize("found", PersonaLibrary().list(), ids=lambda found: found.persona_id)
def test_shipped_personas_are_clean(found: Persona) -> None:
    assert lint(found) == []
    assert parse(found.persona_id, render(found)) == found


def test_shipped_personas_cover_every_role() -> None:
    library = PersonaLibrary()
    assert library.faults() == {}
    assert {found.role for found in library.list()} == set(ROLES)
    myca = library.get("myca")
    assert (myca.name, myca.voice, myca.tools) == ("MYCA", "NATF2", ("*",))
    assert len(myca.prompt) < PROMPT_CHARS


def test_default_folder_is_the_checkout() -> None:
    assert shipped_dir() == Path(__file__).parents[2] / "personas"


def test_an_installed_package_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "personas").mkdir()
    monkeypatch.setattr("workbench.persona_library.__file__", str(tmp_path / "workbench" / "persona_library.py"))
    assert shipped_dir() == tmp_path / "workbench" / "_personas"


def test_changes_on_disk_are_seen(tmp_path: Path) -> None:
    library = PersonaLibrary(tmp_path)
    assert library.list() == []
    file = tmp_path / "ada.md"
    file.write_text(FILE.format(what="sums"))
    first = library.get("ada")
    file.write_text(FILE.format(what="stars"))
    assert library.get("ada").prompt == "You are Ada. You know stars."
    assert library.get("ada").content_hash != first.content_hash
    file.unlink()
    with pytest.raises(PersonaError, match="Known personas: none"):
        library.get("ada")


def test_unknown_id_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "ada.md").write_text(FILE.format(what="sums"))
    with pytest.raises(PersonaError, match=r"no persona 'bob'\. Known personas: ada\."):
        PersonaLibrary(tmp_path).get("bob")


@pytest.mark.parametrize("persona_id", ["../x", "", "a/b", "-a", "Ada", "a.md", "a\n", "a" * 49, "/etc/passwd", "\x00"])
def test_what_is_no_id_is_never_a_path(persona_id: str, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(FILE.format(what="secrets"))
    folder = tmp_path / "personas"
    folder.mkdir()
    with pytest.raises(PersonaError, match="is not a persona id"):
        PersonaLibrary(folder).get(persona_id)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("You are Ada.", "no front matter"),
        ("---\nname: [\n---\nx", "not YAML"),
        ("---\nname: 2020-13-45\n---\nx", "not YAML"),
        ("---\nname: " + "[" * 5_000 + "\n---\nx", "not YAML"),
        ("---\n- a\n---\nx", "not a list"),
        (FILE.replace("role: assistant", "role: assistant\ncolour: red"), "colour: Extra inputs"),
        (FILE.replace("role: assistant", "role: assistant\nsampling: {heat: 1}"), r"sampling\.heat: Extra inputs"),
        (FILE.replace("role: assistant", "role: assistant\nsampling: {text_temperature: -1}"), "text_temperature"),
        (FILE.replace("role: assistant", "role: assistant\ntools: ['a b']"), r"tools\.0"),
        (FILE.replace("NATF0", "../../x"), "voice"),
        (FILE.replace("name: Ada\n", ""), "name: Field required"),
    ],
)
def test_a_wrong_file_names_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(PersonaError, match=complaint):
        parse("ada", text)


def test_a_wrong_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "ada.md").write_text(FILE.format(what="sums"))
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe")
    (tmp_path / "Big Name.md").write_text(FILE)
    (tmp_path / "huge.md").write_text(FILE + "x" * 70_000)
    library = PersonaLibrary(tmp_path)
    assert [found.persona_id for found in library.list()] == ["ada"]
    assert set(library.faults()) == {"bad.md", "Big Name.md", "huge.md"}
    with pytest.raises(PersonaError, match="not UTF-8"):
        library.get("bad")


def test_windows_line_ends_and_bom_load_alike(tmp_path: Path) -> None:
    file = tmp_path / "ada.md"
    file.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    assert load(file) == parse("ada", FILE)


SERVICE = "You work for Mill Lane Bikes which is a repair shop and your name is Ada. Information: "


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"prompt": ""}, "prompt-empty"),
        ({"prompt": "You are Ada. " * 77}, "prompt-too-long"),
        ({"prompt": "You are Ada. " + "1234567890 " * 31}, "prompt-tokens"),
        ({"role": "pirate"}, "role-unknown"),
        ({"prompt": "You are Adam."}, "name-missing"),
        ({"prompt": "You are Ada. Your name is Bob."}, "name-differs"),
        ({"prompt": "You are Ada. <system> x"}, "system-tag"),
        ({"prompt": "You are Ada. Information: "}, "facts-empty"),
        ({"role": "customer_service", "prompt": SERVICE + "No refunds."}, "facts-empty"),
        ({"role": "customer_service", "prompt": SERVICE.removesuffix("Information: ") + "A tyre is 15 dollars."}, "information-missing"),
        ({"role": "customer_service", "prompt": "You are Ada. Information: A tyre is 15 dollars."}, "opening"),
        ({"role": "casual"}, "opening"),
        ({"prompt": "Ada, you count."}, "opening"),
        ({"prompt": "You are Ada. I am 34."}, "second-person"),
        ({"prompt": "You are Ada. Rules:\n- count\n- rest"}, "unspeakable"),
        ({"prompt": "You are **Ada** and count."}, "unspeakable"),
        ({"prompt": "You are Ada. See https://a.example."}, "unspeakable"),
        ({"prompt": "You are Ada \U0001f600."}, "unspeakable"),
        ({"prompt": "You are Ada.\n\nYou count."}, "paragraphs"),
        ({"prompt": "You are Ada. \u4f60\u597d\u4e16\u754c\u4f60\u597d\u4e16\u754c\u4f60\u597d"}, "not-english"),
        ({"prompt": "You are Ada. A service costs 45 dollars and takes two days. The service costs 50 dollars."}, "figures-contradict"),
    ],
)
def test_lint(changes: dict[str, object], code: str) -> None:
    assert [finding.code for finding in lint(persona(**changes))] == [code]
    assert lint(persona()) == []


def test_what_is_quoted_may_speak_for_itself() -> None:
    assert lint(persona(prompt='You are Ada. You begin with "I am Ada".')) == []


def test_third_person_is_told() -> None:
    assert {finding.code for finding in lint(persona(prompt="Ada is a teacher."))} == {"opening", "second-person"}


def test_errors_come_first() -> None:
    levels = [finding.level for finding in lint(persona(role="pirate", prompt="She counts. <system>"))]
    assert levels == sorted(levels)
    assert set(levels) == {"error", "warning"}


@pytest.mark.parametrize(
    ("role", "name", "prompt"),
    [
        ("assistant", "teacher", "You are a patient teacher. Explain what you are asked and give advice in a few clear words."),
        (
            "customer_service",
            "Ilka Brandt",
            "You work for Row and Reed which is a boat rental company and your name is Ilka Brandt. Information: Verify the name "
            "Piet Maas. Boats: Heron ($20/2 hours, $35/4 hours), and the larger Swan ($40/2 hours, $70/4 hours). Deposit required: $50 for "
            "small boats, $90 for large. Next free day: May 3rd. No night trips.",
        ),
        ("casual", "Rafi", "You enjoy having a good conversation. Have a lively talk about night trains. You are Rafi, a cook from Graz."),
    ],
)
def test_prompts_in_the_guide_s_forms_are_clean(role: str, name: str, prompt: str) -> None:
    assert check(role, name, prompt) == []
    assert estimated_tokens(prompt) < PROMPT_TOKENS / 2


@given(st.sampled_from(ROLES), st.text(min_size=1, max_size=20), st.text(max_size=300))
def test_any_prompt_can_be_checked(role: str, name: str, prompt: str) -> None:
    findings = check(role, name, prompt)
    assert all(finding.message for finding in findings)
    assert estimated_tokens(prompt) >= len(prompt.split())


def test_hash_is_of_the_content_only() -> None:
    assert persona(persona_id="other").content_hash == persona().content_hash
    for change in ({"name": "B"}, {"voice": "B"}, {"role": "casual"}, {"prompt": "B"}, {"tools": ("b",)}, {"sampling": {"text_topk": 1.0}}):
        assert persona(**change).content_hash != persona().content_hash
    assert parse("a", render(persona(sampling={"text_topk": 25.0}))).content_hash == persona(sampling={"text_topk": 25.0}).content_hash
    assert parse("a", FILE.replace("---\nYou", "sampling: {text_topk: 25}\n---\nYou")).sampling == {"text_topk": 25.0}


def test_a_long_prompt_differs_by_its_sentences() -> None:
    before, after = (persona(prompt=f"You are Ada. It costs {price} dollars. You count.") for price in (45, 48))
    changed = [line for line in diff(before, after).splitlines()[2:] if line[0] in "+-"]
    assert changed == ["-It costs 45 dollars.", "+It costs 48 dollars."]


def test_diff_shows_what_changed() -> None:
    assert diff(persona(), persona()) == ""
    shown = diff(persona(), persona(voice="NATF2"))
    assert "-voice: NATF0\n+voice: NATF2\n" in shown


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(PersonaError):
        assert parse("ada", FILE.replace("assistant\n", "assistant\n" + text + "\n")).persona_id == "ada"
    with pytest.raises(PersonaError):
        parse("ada", text)


@given(
    prompt=st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])).map(str.strip),
    name=st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80),
    tools=st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True)).map(tuple),
    topk=st.integers(0, 2048),
)
def test_render_and_parse_round_trip(prompt: str, name: str, tools: tuple[str, ...], topk: int) -> None:
    made = persona(prompt=prompt, name=name, tools=tools, sampling={"text_topk": float(topk)})
    assert parse("ada", render(made)) == made
