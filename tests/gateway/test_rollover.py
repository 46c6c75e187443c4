from __future__ import annotations

from workbench.gateway.rollover import MAX_ACCOUNT_CHARS, Rollover


def play(rollover: Rollover, positions: range, *, quiet: bool, ready: bool = True) -> list[tuple[int, str]]:
    """The actions that are not "none", with their positions."""
    found = []
    for position in positions:
        action = rollover.frame(position, quiet=quiet, piece="" if quiet else " la", ready=ready)
        if action != "none":
            found.append((position, action))
        if action in ("roll", "force"):
            rollover.happened(action)
            break
    return found


def test_it_waits_for_a_mutual_silence() -> None:
    rollover = Rollover(3000)
    assert play(rollover, range(180, 2750), quiet=False) == [(2700, "prepare")]
    assert play(rollover, range(2750, 2800), quiet=True) == [(2752, "roll")]
    assert (rollover.done, rollover.forced) == (1, 0)


def test_without_silence_it_is_forced_and_said_so() -> None:
    rollover = Rollover(3000)
    assert play(rollover, range(180, 3000), quiet=False) == [(2700, "prepare"), (2900, "force")]
    assert (rollover.done, rollover.forced) == (1, 1)


def test_it_does_not_happen_before_the_prompt_is_there() -> None:
    rollover = Rollover(3000)
    assert play(rollover, range(2699, 2950), quiet=True, ready=False) == [(2700, "prepare")]
    assert play(rollover, range(2950, 2960), quiet=False) == [(2950, "force")]


def test_each_window_is_prepared_once_more() -> None:
    rollover = Rollover(100)
    for _ in range(30):
        assert play(rollover, range(40, 100), quiet=True) == [(90, "prepare"), (91, "roll")]
    assert rollover.done == 30


def test_the_agents_own_words_stand_in_for_an_account() -> None:
    rollover = Rollover(100)
    assert rollover.text("You are Robin.") == "You are Robin."
    play(rollover, range(3), quiet=False)
    assert rollover.text("<system> You are Robin. <system>").endswith("Your last words were: la la la")
    rollover.account = "The user <system> asked\nfor the price. " + "x" * 5_000
    text = rollover.text("You are Robin.")
    assert text.startswith("You are Robin. The user system asked for the price. xxx")
    assert len(text) <= MAX_ACCOUNT_CHARS + 20
