"""The measures that personas are compared by: title, unit, the better direction and the definition, declared once and before any run."""

from __future__ import annotations

from evaluation.comparison import Measure

ADHERENCE = (
    Measure("fact_recall", "Facts recalled", "share", "higher", "Of the facts asked for, the share of the asked details that was told."),
    Measure(
        "figures_invented", "Figures invented", "per talk", "lower", "Figures said that neither prompt, user nor a tool's result holds."
    ),
    Measure("figures_contradicted", "Figures contradicted", "per talk", "lower", "Figures said of a fact that has another of this kind."),
    Measure("name_right", "Name told rightly", "share", "higher", "Right tellings over all tellings and unanswered questions for it."),
    Measure("role_inversion", "Speaks as the customer", "share of turns", "lower", "Agent turns with what only a customer says."),
    Measure(
        "refusals_kept", "Refused where told", "share", "higher", "Of requests that the prompt refuses, those answered with a refusal."
    ),
    Measure("drift_faulty_turns", "Drift of faulty turns", "share per third", "lower", "Slope of the faulty turns over the talk's thirds."),
    Measure("talk_ratio", "Agent's share of the talk", "share", None, "Agent's speech over both sides' speech, by turn durations."),
    Measure("words_per_minute", "Speaking rate", "words/min", None, "Agent's words over the minutes of its uninterrupted turns.", 0),
    Measure("words_per_turn", "Words per agent turn", "words", None, "Mean over the agent's turns.", 1),
    Measure("drift_words_per_minute", "Drift of the rate", "words/min per third", None, "Slope of the speaking rate over thirds.", 1),
)
"""What `evaluation.adherence` computes, but for the counts that only say how much a measure rests on."""

EXPECTATIONS = (
    Measure("expectations_met", "Expectations met", "share", "higher", "Of the scenario's expectations, those the talk fulfilled."),
)

JUDGED = (
    Measure("judge_adherence", "Judge: adherence", "0 to 5", "higher", "A language model's rating of how the talk keeps to the prompt.", 1),
    Measure("judge_naturalness", "Judge: naturalness", "0 to 5", "higher", "A language model's rating of the talk as a dialogue.", 1),
)

RUN_MEASURES: tuple[Measure, ...] = ()
"""Those that a run's rows bring along under the same name."""
