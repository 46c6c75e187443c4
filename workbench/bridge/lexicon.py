"""What the words of a request mean, whichever tools there are: verbs with what they do and how dangerous that is, things that a
program can act on, and what people say with the same verbs without asking for anything.

The verbs are in their base form; `base` finds it. A verb of two words is written with a space ("shut down").
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from workbench.bridge.words import close, word_set
from workbench.events import Tier

Wants = Literal["any", "thing", "account", "machine", "data", "appliance"]
"""What a verb must act on to be a request: anything but what belongs to the heart and the household, or one of a class of things."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One sense of a verb."""

    action: str
    tier: Tier
    wants: Wants = "thing"


def _verbs(tier: Tier, wants: Wants, **by_action: str) -> dict[str, tuple[Verb, ...]]:
    senses: dict[str, tuple[Verb, ...]] = {}
    for action, verbs in by_action.items():
        for verb in verbs.replace("_", "-").split():
            name = verb.replace("-", " ")
            senses[name] = (*senses.get(name, ()), Verb(action, tier, wants))
    return senses


def _joined(*tables: dict[str, tuple[Verb, ...]]) -> dict[str, tuple[Verb, ...]]:
    """Senses of one verb in the order of the tables: the first whose object fits is meant."""
    joined: dict[str, tuple[Verb, ...]] = {}
    for table in tables:
        for verb, senses in table.items():
            joined[verb] = (*joined.get(verb, ()), *senses)
    return joined


VERBS = _joined(
    _verbs("write", "appliance", turn_off="kill cut drop shut_down power_down power_off", turn_on="power_up"),
    _verbs(
        "destructive", "any",
        erase="delete erase wipe wipe_out wipe_clean purge drop destroy remove clear clear_out format shred truncate discard uninstall "
        "trash "
        "nuke obliterate annihilate eradicate eliminate expunge get_rid_of throw_away throw_out toss_out blow_away blow_up tear_down "
        "scrap rm "
        "unlink "
        "overwrite bin chuck scrub sanitize prune empty flush zap decommission deprovision demolish undeploy deallocate dispose_of "
        "do_away_with reformat "
        "repartition "
        "clean_out zero_out",
        shut_down="shut_down shutdown power_off power_down poweroff kill terminate halt_down pull_the_plug_on",
        reset="factory_reset hard_reset reset reinitialize reimage",
        reboot="reboot power_cycle hard_reboot",
    ),
    _verbs(
        "destructive", "machine",
        shut_down="turn_off switch_off shut_off take_down bring_down take_offline bring_offline take_off_line",
    ),
    _verbs("destructive", "data", erase="forget clean clean_up lose dump cut kill_off wipe_off burn"),
    _verbs("destructive", "account", cancel="cancel end terminate call_off", erase="close deactivate disable revoke suspend"),
    _verbs(
        "write", "any",
        turn_on="turn_on switch_on power_on", turn_off="turn_off switch_off shut_off turn_out",
        restart="restart relaunch", schedule="reschedule postpone delay", book="order buy purchase reserve",
        disable="disable deactivate unregister", enable="enable activate reactivate",
        stop="halt abort", start="launch trigger kick_off fire_up spin_up boot_up start_up boot execute initiate resume", pause="pause",
        deploy="deploy redeploy provision publish", create="jot_down write_down", cancel="cancel unsubscribe revoke call_off",
        subscribe="subscribe",
        send="notify email",
        restore="restore roll_back rollback revert", archive="archive", install="install upgrade reinstall", rename="rename duplicate",
        lock="lock unlock", mute="mute unmute", approve="approve reject assign", print="print scan",
        move="upload download import export migrate sync synchronize back_up backup merge mount unmount",
        set="adjust configure calibrate increase decrease dim brighten turn_up turn_down",
    ),
    _verbs(
        "write", "thing",
        set="set change modify update edit put bring crank_up crank_down raise lower boost reduce switch turn tweak scale make cool heat "
        "warm_up heat_up cool_down bump_up bump_down",
        start="start run begin continue bring_up", stop="stop end suspend freeze finish interrupt",
        open="open unblock", close="close block shut", play="play skip queue_up",
        send="send ask forward text message call ping alert share post reply mail phone dial shoot drop write tell submit",
        create="create add make open generate draft log record note register write compose save file take put enter insert leave",
        book="book schedule arrange get plan set_up", pay="pay transfer refund withdraw deposit wire",
        remind="remind", move="move copy push commit rotate clone attach detach connect disconnect replace swap",
        approve="invite ban promote grant allow accept decline confirm",
        water="water feed clean vacuum mist ventilate arm disarm snooze charge reorder refill",
    ),
    _verbs(
        "read", "thing",
        look="check show list find look_up look_for search search_for read read_out get fetch pull_up display report count see monitor "
        "inspect verify query retrieve track tell give name summarize measure estimate bring_up lookup review view compare calculate "
        "compute work_out add_up figure_out add divide multiply subtract time look_at look_into go_over google examine ask_for",
    ),
)  # fmt: skip
"""Verb to its senses, the most dangerous first."""

PARTICLES = word_set("on off up down out away offline back")
NOMINAL = {
    "deletion": "erase", "removal": "erase", "wipe": "erase", "purge": "erase", "erasure": "erase", "format": "erase",
    "destruction": "erase", "shutdown": "shut_down", "termination": "shut_down", "reset": "reset", "reboot": "reboot",
    "uninstall": "erase", "teardown": "erase", "poweroff": "shut_down",
}  # fmt: skip
"""Deeds named by a noun: "run a factory reset"."""
NOMINAL_VERBS = word_set("do perform run start initiate begin execute trigger schedule carry make launch proceed commence")

MACHINES = word_set(
    "server servers vm vms machine machines host hosts node nodes cluster clusters computer computers pc laptop desktop workstation "
    "mainframe "
    "database databases router routers firewall firewalls production network networks hypervisor datacenter container "
    "containers site website everything system systems instance instances nas switchboard gateway gateways orchestrator rack racks "
    "reactor pump freezer ventilator"
)
ACCOUNTS = word_set(
    "account accounts subscription subscriptions membership memberships order orders contract contracts policy plan licence license "
    "insurance "
    "profile access certificate certificates credentials key keys token tokens registration enrollment"
)
DATA = word_set(
    "data database databases table tables file files folder folders directory directories backup backups log logs record records recording "
    "recordings memory history cache caches index snapshot snapshots archive archives disk disks drive drives partition volume bucket "
    "storage "
    "everything entry entries row rows transcript transcripts document documents email emails inbox photo photos preferences session "
    "sessions conversation conversations user users profile profiles branch repository repo dataset datasets trash bin temp details"
)
APPLIANCES = word_set(
    "light lights lamp lamps bulb fan fans heater heating heat music song sound audio tv television radio speaker speakers volume screen "
    "humidifier alarm alarms kettle oven ac conditioner"
)
THINGS = APPLIANCES | MACHINES | ACCOUNTS | DATA | word_set(
    "light lights lamp lamps bulb fan fans heater heating heat thermostat temperature humidity humidifier dehumidifier aircon ac "
    "conditioner "
    "air valve valves door doors gate window windows blinds blind curtains shutters garage alarm alarms timer timers countdown reminder "
    "reminders stopwatch clock volume brightness speed level levels music song songs radio tv television speaker speakers playlist podcast "
    "video camera cameras microphone screen monitor printer robot vacuum sprinkler sprinklers irrigation oven kettle coffee machine "
    "dishwasher washer dryer plug sample samples download downloads upload uploads request requests outlet device devices sensor sensors "
    "chamber chambers incubator autoclave greenhouse plants "
    "workflow workflows job jobs task tasks pipeline pipelines build builds deployment deployments deploy release service services process "
    "processes daemon app apps application applications program script scripts agent agents bot bots model models experiment experiments "
    "simulation test tests scan sync update updates upgrade import export migration training queue message messages note notes memo "
    "ticket tickets issue issues bug report reports invoice invoices letter mail text reply comment announcement notification "
    "notifications "
    "alert alerts post tweet meeting meetings appointment appointments event events calendar call conference interview reservation booking "
    "flight flights hotel room rooms ticket taxi cab ride car table seat trip train shuttle restaurant pizza groceries list lists item "
    "items "
    "milk cart payment payments money dollars euros pounds bill bills rent balance fee team everyone channel group lab boss manager staff "
    "password passwords permission permissions role roles setting settings config configuration mode option variable parameter port vpn "
    "wifi "
    "bluetooth connection website page domain dns ip api endpoint webhook replica pod pods namespace image images firmware version "
    "patch scene dashboard chart status state health degrees percent spreadsheet slides presentation doc project milestone shift order "
    "package parcel delivery membership stream broadcast line conversation tool tools session instance pool feeder gripper tank kitchen "
    "bedroom office desk fish cat dog picture screenshot filters supplies newsletter vpn study lab machine"
)  # fmt: skip
"""What a program can act on or tell about."""

HEART = word_set(
    "head mind heart hearts feelings feeling emotions soul thoughts thought mood doubts doubt fear fears tears smile worries expectations "
    "conscience past dreams dream hopes hope spirit spirits attitude anxiety stress pain sorrow sadness grief anger "
    "boredom loneliness ego prejudice bias ignorance poverty hunger racism inequality evil darkness misconceptions idea ideas nerves "
    "throat sinuses skin face nose eyes eye mouth hands hand ears brain brow forehead sweat belly stomach breath lungs teeth hair lips "
    "legs "
    "weight stain stains dust dirt weeds wrinkles calories carbs sugar gluten meat guard splinter snow dishes counter crumbs leftovers "
    "frown habit habits life shame wall ring charm competition whites egg puck clocks watches thirst appetite sins guilt demons "
    "regrets memories"
)
"""What is only wiped, cleared or dropped in talk."""

SMALL_TALK = word_set(
    "story joke jokes secret song poem riddle fact facts hug kiss break chance hint clue tip advice opinion moment second sec reason "
    "example love hand truth lie lies difference point fun peace way fault favor favour while bit try fuss noise wish "
    "deal sense joy happiness meaning"
)
"""What is told, given and made in talk."""

_IRREGULAR = {
    "set": "set", "put": "put", "sent": "send", "ran": "run", "shut": "shut", "written": "write", "wrote": "write", "made": "make",
    "begun": "begin", "began": "begin", "gone": "remove", "erasing": "erase", "running": "run", "stopped": "stop", "stopping": "stop",
    "taken": "take", "brought": "bring", "told": "tell", "paid": "pay", "bought": "buy", "found": "find", "got": "get", "given": "give",
    "thrown": "throw", "torn": "tear", "spun": "spin", "blown": "blow", "shot": "shoot", "lit": "light", "getting": "get",
    "setting": "set", "putting": "put", "shutting": "shut", "dropped": "drop", "dropping": "drop", "formatted": "format",
    "formatting": "format", "canceled": "cancel", "cancelled": "cancel", "canceling": "cancel", "cancelling": "cancel",
    "synced": "sync", "backed": "back", "scrapped": "scrap", "emptied": "empty", "zapped": "zap", "resetting": "reset",
    "killed": "kill", "rebooted": "reboot", "cut": "cut", "burnt": "burn", "lost": "lose", "cancell": "cancel", "scheduling": "schedule",
    "trashed": "trash", "read": "read", "unsubscribed": "unsubscribe", "unplugged": "unplug",
}  # fmt: skip

_FIRST_WORDS = frozenset(verb.split()[0] for verb in VERBS)
_MISHEARD_VERBS = tuple(word for word in sorted(_FIRST_WORDS) if len(word) >= 5)
_HEARD_AS = {
    "deleat": "delete", "deleet": "delete", "dilute": "delete", "erace": "erase", "whipe": "wipe", "wype": "wipe", "cansel": "cancel",
    "perge": "purge", "shutt": "shut", "tern": "turn", "sea": "see", "right": "write", "reed": "read", "by": "buy", "cheque": "check",
    "seed": "send", "stopp": "stop", "steart": "start", "sat": "set", "cent": "send", "scent": "send", "shud": "shut", "drup": "drop",
    "swipe": "wipe", "rays": "raise", "sink": "sync",
}  # fmt: skip
"""Words that recognisers write where a verb was said; looked up only where a verb must stand."""


@lru_cache(maxsize=4_096)
def base(word: str, known: Container[str] = _FIRST_WORDS) -> str | None:
    """The base form of an inflected verb among `known`: "deleting" and "deleted" are "delete"; None when it is no form of any."""
    if word in known:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending in ("ing", "ed", "es", "s", "d"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            for candidate in (stem, stem + "e", stem[:-1] if stem[-1] == stem[-2] else stem, stem[:-1] + "y" if stem[-1] == "i" else stem):
                if candidate in known:
                    return candidate
    return None


def is_participle(word: str) -> bool:
    """Whether a word can be the past participle of a verb: "deleted", "shut"; a plural ("backups") cannot."""
    return word.endswith("ed") or word in _PARTICIPLES


_PARTICIPLES = word_set(
    "shut set put reset cut sent run written made begun taken brought told paid bought found given thrown torn spun blown shot lit lost "
    "read"
)


@lru_cache(maxsize=4_096)
def heard_verb(word: str) -> str | None:
    """The verb in its base form that stands where an order begins, also when it was misheard; None for another word."""
    if word in _FIRST_WORDS:
        return word
    if word in _HEARD_AS:
        return _HEARD_AS[word]
    if len(word) < 5 or base(word) is not None:
        return None
    near = [verb for verb in _MISHEARD_VERBS if verb[0] == word[0] and close(word, verb)]
    return near[0] if len(near) == 1 else None
