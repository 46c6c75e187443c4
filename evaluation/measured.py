"""The measures that personas are compared by: title, unit, the better direction and the definition, declared once and before any run."""

from __future__ import annotations

from evaluation.comparison import Measure

ADHERENCE = (
    Measure("fact_recall", "Facts recalled", "share", "higher", "Of the facts asked for, the share of the asked details that was told."),
    Measure(
        "figures_invented", "Figures invented", "per talk", "lower", "Figures said that neither prompt, user nor a tool's result holds."
    ),
    Measure("figures_contradicted", "Figures contradicted", "per talk", "lower", "Figures said of a fact that has another of this kind."),
    Measure("names_invented", "Names invented", "per talk", "lower", "Proper names from nowhere, of a service persona."),
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

DYNAMICS = (
    Measure("duration_s", "Duration", "s", None, "Session time from the first frame to the end.", 1),
    Measure("user_turns_count", "User turns", "per talk", None, "Runs of the user's IPUs without a turn of the agent between.", 0),
    Measure("agent_turns_count", "Agent turns", "per talk", None, "Runs of the agent's IPUs without a turn of the user between.", 0),
    Measure("agent_talk_ratio", "Agent's share of speech", "share", None, "Agent's speech over both sides' speech, by IPUs."),
    Measure("reply_fto_p50_ms", "Reply FTO, median", "ms", "lower", "Start of an agent turn less the end of the user's before it.", 0),
    Measure("reply_fto_p95_ms", "Reply FTO, p95", "ms", "lower", "As the median; interpolated linearly.", 0),
    Measure("replies_count", "Replies", "per talk", None, "Agent turns that follow a user turn: the n of the reply FTO.", 0),
    Measure("gaps_per_min", "Gaps", "per min", None, "Mutual silences between the two speakers."),
    Measure("gap_s_per_min", "Gap time", "s/min", None, "Their length."),
    Measure("overlaps_per_min", "Overlaps", "per min", None, "Stretches in which both speak."),
    Measure("overlap_s_per_min", "Overlap time", "s/min", None, "Their length."),
    Measure("barge_ins_count", "Barge-ins", "per talk", None, "User IPUs that begin within the agent's speech, acknowledgements aside.", 0),
    Measure("barge_ins_yielded_count", "Yielded", "per talk", None, "Barge-ins at which the agent fell silent in time.", 0),
    Measure("barge_ins_ignored_count", "Ignored", "per talk", None, "Barge-ins that the agent outlasted.", 0),
    Measure("barge_ins_censored_count", "Censored", "per talk", None, "Barge-ins that tell neither.", 0),
    Measure(
        "stop_latency_p50_ms", "Stop latency, median", "ms", "lower", "User's onset to the agent's last audible sample; yielded only.", 0
    ),
    Measure("stop_latency_p95_ms", "Stop latency, p95", "ms", "lower", "As the median; interpolated linearly.", 0),
    Measure("user_backchannels_count", "User backchannels", "per talk", None, "Acknowledgements of the user within the agent's speech.", 0),
    Measure("agent_backchannels_count", "Agent backchannels", "per talk", None, "Acknowledgements of the agent within the user's.", 0),
    Measure("false_barge_ins_count", "False barge-ins", "per talk", "lower", "User backchannels at which the agent stopped within 1 s.", 0),
    Measure("dead_air_count", "Dead air", "per talk", "lower", "Mutual silences longer than 2 s, those at the rims too.", 0),
    Measure("dead_air_s", "Dead air time", "s", "lower", "Their length, all together.", 1),
    Measure("longest_silence_s", "Longest silence", "s", "lower", "The longest mutual silence.", 1),
    Measure("tools_run_count", "Tools run", "per talk", None, "Invocations dispatched.", 0),
    Measure("tools_succeeded_count", "Tools succeeded", "per talk", None, "Invocations that ended with a result.", 0),
    Measure(
        "tool_results_said_share", "Results said", "share", "higher", "Of successful invocations, those whose result was said to its end."
    ),
    Measure("tool_intent_p50_ms", "Intent, median", "ms", "lower", "End of the user's words to the intent.", 0),
    Measure("tool_dispatch_p50_ms", "Dispatch, median", "ms", "lower", "Intent to dispatch, a confirmation included.", 0),
    Measure("tool_answer_p50_ms", "Tool, median", "ms", "lower", "Dispatch to result.", 0),
    Measure("tool_delivery_p50_ms", "Delivery, median", "ms", "lower", "Result to the first audible sample of its delivery.", 0),
    Measure("tool_total_p50_ms", "Tool turn, median", "ms", "lower", "End of the user's words to the first word of the result.", 0),
    Measure("user_words_count", "User words", "per talk", None, "Words of the recogniser's and typed final texts.", 0),
    Measure("agent_words_count", "Agent words", "per talk", None, "Words of the agent that were heard.", 0),
)
"""What `evaluation.measures` computes, in its order. No direction where neither more nor less is better by itself."""

RUN_MEASURES = tuple(measure for measure in DYNAMICS if measure.better is not None)
"""Those of a run's rows that have a better side. The others name no winner, and every further test raises the bar for all."""
