"""A responder without a language model: it tells the persona's own facts, and says plainly what it cannot do."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence

from workbench.engines.classic.facts import Facts
from workbench.engines.classic.responder import Heard
from workbench.engines.speech.spoken_text import cut
from workbench.personas import Persona

QUOTED_CHARS = 80
"""So much of what was not understood is said back at most."""
LISTENED_CHARS = 1_000
"""Of a longer utterance only the beginning is looked at."""
_NO_MODEL = "I have no language model here"


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_GREETING = _any("hi", "hello", "hey", "greetings", "good (?:morning|afternoon|evening|day)") + r"\b(?: there\b| again\b)?"
_POLITE = r"(?:(?:ok|okay|well|so|oh|um|uh|and|please|now) )*"
_SAY_AGAIN = _any("(?:repeat|say) (?:that|it|this)(?: again)?", "repeat", "say again", "come again", "pardon(?: me)?", "what did you say")
_WHO = _any(
    "who are you",
    "what are you",
    "your name",
    "who is this",
    "about yourself",
    "introduce yourself",
    "should i call you",
    "how old are you",
)
_ABLE = _any("what (?:else )?can you (?:do|help)", "how (?:can|could) you help", "can you help me", "your (?:abilities|tools|skills)")
_WORK = _any(
    "where (?:do|are) you work\\w*", "whom? do you work for", "what do you do", "your (?:job|work|company|employer)", "what company"
)
_INTENTS = {
    "repeat": rf"(?:(?:can|could|would) you )?(?:please )?{_SAY_AGAIN}(?: please)?",
    "goodbye": _any("(?:good ?)?bye(?: bye| now)?", "good night", "see you(?: (?:later|soon|tomorrow))?", "farewell"),
    "thanks": r"(?:many )?(?:thank you|thanks|cheers)(?: (?:very|so) much| a lot)?(?: for .*)?",
    "mood": _any("how (?:are|is) (?:you|it going|things|everything)(?: doing)?(?: today| now)?", "how do you do", "can you hear me"),
    "identity": rf"(?:.* )?(?:{_WHO}|who am i (?:talking|speaking) (?:to|with))(?: .*)?",
    "abilities": rf"(?:.* )?{_ABLE}(?: .*)?|what do you know",
    "work": rf"(?:.* )?{_WORK}(?: .*)?",
}


class EmbeddedResponder:
    """Answers as `persona`, in at most two sentences, the same way every time. Nothing is made up: what the prompt does not hold is
    not answered. `abilities` are what the persona's tools do, as verb phrases ("tell the time in a place")."""

    name = "embedded"

    def __init__(
        self,
        persona: Persona,
        *,
        abilities: Sequence[str] = (),
        why: str = "no language model is configured (WORKBENCH_LLM_BASE_URL), so replies come from the persona's own facts",
    ) -> None:
        self.why = why
        self._persona = persona
        self._abilities = list(abilities)
        self._facts = Facts(persona.prompt)

    async def respond(self, text: str, history: Sequence[Heard]) -> AsyncGenerator[str, None]:
        """The reply sentence by sentence. Never fails."""
        for sentence in self.reply(text, history):
            yield sentence

    def reply(self, text: str, history: Sequence[Heard]) -> list[str]:
        """The whole reply: one or two sentences."""
        words = _plain(text[:LISTENED_CHARS])
        name = re.escape(_plain(self._persona.name))
        opening = re.match(rf"{_POLITE}(?P<greeting>{_GREETING})?(?: ?{name}\b)? ?{_POLITE}", f"{words} ")
        if opening is not None:
            words = words[opening.end() :]
            if not words and opening["greeting"]:
                return [f"Hello, I am {self._persona.name}.", "What would you like to know?"]
        for intent, pattern in _INTENTS.items():
            if re.fullmatch(pattern, words):
                return self._small_talk(intent, history)
        return self._facts.answer(words) or self._not_understood(words, history)

    def _small_talk(self, intent: str, history: Sequence[Heard]) -> list[str]:
        name = self._persona.name
        match intent:
            case "repeat":
                said = next((said for speaker, said in reversed(history) if speaker == "agent"), None)
                return [said if said is not None else "I have not said anything yet."]
            case "goodbye":
                return ["Goodbye."]
            case "thanks":
                return ["You are welcome."]
            case "mood":
                return ["I am here and I am listening.", "What would you like to know?"]
            case "identity":
                return (self._facts.find(rf"(?<!\w){re.escape(name)}(?!\w)") or [f"I am {name}."])[:1]
            case "abilities":
                told = [f"I can {_listed(self._abilities)}."] if self._abilities else self._facts.find(r"\bI can\b")[:1]
                return [*told, f"{_NO_MODEL}, so I can only tell you about {self._topics()}."]
        return self._facts.find(r"\b(I work|I am employed|my job)\b")[:1] or ["I was not told where I work."]

    def _not_understood(self, words: str, history: Sequence[Heard]) -> list[str]:
        quote = cut(words, QUOTED_CHARS) + (" and so on" if len(words) > QUOTED_CHARS else "")
        missed = f'I did not catch that, I heard "{quote}".' if words else "I did not catch that."
        last = next((said for speaker, said in reversed(history) if speaker == "agent"), "")
        if _NO_MODEL in last:
            return [missed]
        tools = ", and use my tools" if self._persona.tools else ""
        return [missed, f"{_NO_MODEL}: I can only tell you about {self._topics()}{tools}."]

    def _topics(self) -> str:
        return _listed(["myself", *self._facts.topics(self._persona.name)])


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _plain(text: str) -> str:
    """Lower-case words with single spaces; common contractions written out."""
    text = re.sub(r"\b(what|who|where|how|that|it)['’]?s\b", r"\1 is", text.casefold())
    text = re.sub(r"\b(you|they|we)['’]re\b", r"\1 are", text)
    return " ".join(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text))
