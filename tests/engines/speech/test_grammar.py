from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.engines.speech.grammar import Grammar, build, pronounce

DICTIONARY = {
    "what": "W AH T", "time": "T AY M", "is": "IH Z", "it": "IH T", "in": "IH N", "new": "N UW", "york": "Y AO R K", "rome": "R OW M",
    "work": "W ER K", "flow": "F L OW", "agent": "EY JH AH N T", "dish": "D IH SH", "dog": "D AO G", "a": "AH", "b": "B IY", "m": "EH M",
    "c": "S IY", "p": "P IY",
}  # fmt: skip


def spoken(grammar: Grammar) -> set[str]:
    """Every sentence of the automaton."""
    found: set[str] = set()
    paths: list[tuple[int, list[str]]] = [(0, [])]
    while paths:
        state, words = paths.pop()
        if state in grammar.ends:
            found.add(" ".join(words))
        paths += [(target, [*words, word]) for source, target, word in grammar.transitions if source == state]
    return found


def test_the_automaton_speaks_the_phrases_and_no_others() -> None:
    phrases = ["what time is it in rome", "what time is it in new york", "time in rome", "what time is it", "time"]
    assert spoken(build(phrases, DICTIONARY.get)) == set(phrases)


def test_shared_beginnings_and_ends_are_stored_once() -> None:
    towns = ["rome", "new york"]
    grammar = build([f"{ask} {town}" for ask in ("time in", "what time is it in") for town in towns], DICTIONARY.get)
    assert len(grammar.transitions) < 10


@given(phrases=st.lists(st.lists(st.sampled_from(["what", "time", "is", "rome"]), min_size=1, max_size=5).map(" ".join), max_size=12))
@settings(max_examples=80, deadline=None)
def test_any_set_of_phrases_is_spoken_exactly(phrases: list[str]) -> None:
    assert spoken(build(phrases, DICTIONARY.get)) == set(phrases)


def test_a_phrase_comes_back_as_it_was_given() -> None:
    assert build(["What time is it in Rome?"], DICTIONARY.get).phrases == {"what time is it in rome": "What time is it in Rome?"}


def test_unknown_words_are_pronounced_by_rule() -> None:
    assert pronounce("workflow", DICTIONARY.get) == "W ER K F L OW"
    assert pronounce("agents", DICTIONARY.get) == "EY JH AH N T S"
    assert pronounce("dishs", DICTIONARY.get) == "D IH SH AH Z"
    assert pronounce("dog's", DICTIONARY.get) == "D AO G Z"
    assert pronounce("mcp", DICTIONARY.get) == "EH M S IY P IY"
    assert pronounce("abc", DICTIONARY.get) == "EY B IY S IY"
    assert pronounce("xylograph", DICTIONARY.get) is None
    assert build(["time in workflow"], DICTIONARY.get).pronunciations == {"workflow": "W ER K F L OW"}


def test_what_cannot_be_listened_for_is_left_out_with_its_reason() -> None:
    grammar = build(["time in rome", "time in xylograph", "time in 10:30", "", " ".join(["time"] * 30)], DICTIONARY.get)
    assert spoken(grammar) == {"time in rome"}
    assert "'xylograph' is pronounced" in grammar.left_out["time in xylograph"]
    assert "not spelled in letters" in grammar.left_out["time in 10:30"]
    assert "0 words" in grammar.left_out[""]
    assert "30 words" in grammar.left_out[" ".join(["time"] * 30)]


@given(phrase=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_phrase_is_an_error(phrase: str) -> None:
    grammar = build([phrase], DICTIONARY.get)
    assert (phrase in grammar.left_out) != (phrase in grammar.phrases.values())


def test_no_phrases_are_an_empty_grammar() -> None:
    assert build([], DICTIONARY.get) == Grammar()
