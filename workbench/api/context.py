"""What the routes work with, made once for an app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from workbench.api.entrance import Entrance
from workbench.api.limits import Refusals
from workbench.api.live_counts import LiveCounts
from workbench.api.probes import Probes
from workbench.api.quota import TalkQuota
from workbench.api.reports import Reports
from workbench.api.retention import Retention
from workbench.api.seals import Seals, seals_of
from workbench.api.text_talks import TextTalks
from workbench.api.tool_states import ToolStates
from workbench.api.topology import Topology
from workbench.api.trials import Trials
from workbench.assembly import Workbench
from workbench.sessions import LiveTalk
from workbench.telemetry.following import Following
from workbench.telemetry.metrics import Telemetry
from workbench.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Context:
    """In `app.state.context`; the page is built from it too."""

    workbench: Workbench
    telemetry: Telemetry
    entrance: Entrance
    probes: Probes
    text_talks: TextTalks
    tool_states: ToolStates
    reports: Reports
    topology: Topology
    trials: Trials
    refusals: Refusals
    retention: Retention
    seals: Seals | None
    """None where no password is set: nobody is asked who they are."""


def make_context(workbench: Workbench, tracing: Tracing | None) -> Context:
    telemetry = Telemetry(workbench, tracing)
    follow = Following(telemetry, tracing, transcripts=workbench.settings.log_transcripts)
    live = LiveCounts()

    def opened(talk: LiveTalk) -> None:
        live.follow(talk.session_id, talk.conversation.observe)

    text_talks = TextTalks(
        # Nobody is asked in these talks, so where consent is needed there is none.
        recorder=None if workbench.settings.ask_consent else workbench.recorder,
        bridge_for=workbench.bridge_for,
        responder_for=workbench.responder_for,
        on_open=lambda talk: live.follow(talk.session_id, talk.observe),
        follow=follow,
    )
    refusals, retention = Refusals(), Retention(workbench)
    telemetry.count("workbench_refused", "Requests and talks refused because an address asked too much, by kind.", "kind", refusals.counts)
    telemetry.count(
        "workbench_retention_removed", "What retention removed: talks, sounds, strays, and bytes of sound.", "what", retention.counts
    )
    probes, tool_states = Probes(workbench.roster), ToolStates(workbench.fleet)
    return Context(
        workbench=workbench,
        telemetry=telemetry,
        entrance=Entrance(workbench, TalkQuota(workbench.settings, refusals), opened, follow=follow),
        probes=probes,
        text_talks=text_talks,
        tool_states=tool_states,
        reports=Reports(workbench.store, workbench.settings.audio_dir),
        topology=Topology(workbench, probes, tool_states, text_talks, live),
        trials=Trials(),
        refusals=refusals,
        retention=retention,
        seals=None if workbench.settings.password is None else seals_of(workbench.settings),
    )


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
"""A route's parameter that is given the context."""
