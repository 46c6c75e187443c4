import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.classic.embedded_responder import EmbeddedResponder
from workbench.engines.classic.facts import Facts, first_person
from workbench.persona_library import PersonaLibrary
from workbench.personas import Persona

LIBRARY = PersonaLibrary()


def ask(persona_id: str, question: str, history: list[tuple[str, str]] | None = None) -> str:
    return " ".join(EmbeddedResponder(LIBRARY.get(persona_id)).reply(question, history or []))  # type: ignore[arg-type]  # speakers are literals


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("You are Ada and your work is fun.", "I am Ada and my work is fun."),
        ("Your name is Theo, you are 34.", "My name is Theo, I am 34."),
        ("People ask you about bread.", "People ask me about bread."),
        ("It is fine to interrupt you.", "It is fine to interrupt me."),
        ("You're what you eat.", "I'm what I eat."),
        ("You book it yourself before you go.", "I book it myself before I go."),
        ("Bread is made by you.", "Bread is made by me."),
        ("The youth of York are young.", "The youth of York are young."),
    ],
)
def test_first_person(told: str, said: str) -> None:
    assert first_person(told) == said


@pytest.mark.parametrize(
    ("persona_id", "question", "answer"),
    [
        ("myca", "Who are you?", "I am MYCA, said MY-kah, the voice of Mycosoft."),
        ("myca", "what's your name", "I am MYCA, said MY-kah, the voice of Mycosoft."),
        ("myca", "who made you", "I was made by Morgan, the founder of Mycosoft."),
        ("myca", "hey MYCA, what is CREP?", "CREP is the Mycosoft view of what is happening around the world."),
        ("myca", "tell me about nature os", "NatureOS is the platform that brings signals from nature together."),
        ("myca", "where do you work", "I work at Mycosoft, a company that studies fungi and builds tools to listen to nature."),
        ("myca", "hello", "Hello, I am MYCA. What would you like to know?"),
        ("myca", "Thank you very much!", "You are welcome."),
        ("myca", "ok bye bye", "Goodbye."),
        ("myca", "how are you today", "I am here and I am listening. What would you like to know?"),
        ("customer-service", "what does a flat tyre cost", "A flat tyre is mended for 15 dollars while the customer waits."),
        ("customer-service", "do you have a guarantee", "Every repair has a warranty of 90 days."),
        ("customer-service", "can i get a refund", "I cannot give refunds on the phone; the manager, Idris Cole, does that in the shop."),
        ("casual", "what do you do for a living", "I work as a baker and get up at four in the morning."),
        ("casual", "do you have a dog", "I have an old dog called Biscuit who is afraid of ferries."),
        ("assistant", "where do you work", "I was not told where I work."),
    ],
)
def test_answers_come_from_the_persona(persona_id: str, question: str, answer: str) -> None:
    assert ask(persona_id, question) == answer


def test_a_leaning_sentence_brings_the_one_before() -> None:
    assert ask("customer-service", "where is the shop").endswith("It is at 12 Harbour Lane, next to the ferry pier.")
    assert ask("customer-service", "where is the shop").startswith("The shop is open")


def test_one_word_in_common_is_no_answer() -> None:
    assert ask("customer-service", "does the moon shine brightly on a flat desert").startswith("I did not catch that")


@pytest.mark.parametrize("question", ["what is the capital of france", "go forward ten meters", "the mean old hat fell", "explain gravity"])
def test_what_it_does_not_know_it_says(question: str) -> None:
    answer = ask("myca", question)
    assert f'I heard "{question}"' in answer
    assert "no language model here" in answer
    assert "use my tools" in answer
    assert "tools" not in ask("casual", question)


def test_the_whole_excuse_is_given_once() -> None:
    first = ask("myca", "blah blah")
    assert ask("myca", "bloh bloh", [("user", "blah blah"), ("agent", first)]) == 'I did not catch that, I heard "bloh bloh".'


def test_nothing_heard() -> None:
    assert ask("myca", "  ...").startswith("I did not catch that. I have no language model here")


def test_repeats_what_was_heard() -> None:
    history = [("user", "hello"), ("agent", "It is noon in Tokyo."), ("user", "say that again please")]
    assert ask("myca", "could you repeat that please", history) == "It is noon in Tokyo."
    assert ask("myca", "repeat that", []) == "I have not said anything yet."


def test_abilities_are_the_registered_ones() -> None:
    responder = EmbeddedResponder(LIBRARY.get("assistant"), abilities=["tell the time in a place", "do sums"])
    assert responder.reply("what can you do", [])[0] == "I can tell the time in a place and do sums."


def test_orders_are_no_facts() -> None:
    facts = Facts("You are Ada. Never mention the colour red. Speak slowly. Information: Red paint costs 5 dollars.")
    assert [fact.text for fact in facts.facts] == ["I am Ada.", "Red paint costs 5 dollars."]
    assert facts.answer("what do you say about red") == ["Red paint costs 5 dollars."]


def test_an_empty_prompt_still_answers() -> None:
    responder = EmbeddedResponder(Persona("x", "Ada", "NATF0", "casual", ""))
    assert responder.reply("who are you", []) == ["I am Ada."]
    assert responder.reply("what is red", [])[1] == "I have no language model here: I can only tell you about myself."


async def test_it_streams_its_sentences() -> None:
    responder = EmbeddedResponder(LIBRARY.get("myca"))
    assert [clause async for clause in responder.respond("hello", [])] == ["Hello, I am MYCA.", "What would you like to know?"]


@given(st.text(max_size=300), st.sampled_from(LIBRARY.list()))
def test_any_text_gets_a_short_steady_answer(text: str, persona: Persona) -> None:
    responder = EmbeddedResponder(persona)
    answer = responder.reply(text, [])
    assert 1 <= len(answer) <= 2
    assert responder.reply(text, []) == answer
    assert all(len(sentence) < 400 for sentence in answer)


def test_a_flood_of_words_is_cut() -> None:
    answer = ask("myca", "blah " * 100_000)
    assert len(answer) < 400
    assert "and so on" in answer
