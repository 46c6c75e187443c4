"""The Talk page."""

from __future__ import annotations

import functools

import gradio as gr

from workbench.app import choices, shell
from workbench.app.blocks import blocks
from workbench.assembly import Workbench
from workbench.engines.roster import AUTO
from workbench.persona_library import LENT
from workbench.transports.webrtc import WebRtcCalls

TRACK = {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True, "channelCount": {"ideal": 1}}
"""What is asked of the microphone. FastRTC's own demands are exact, and fail on devices that cannot meet them."""

REMEMBER_JS = f"({', '.join(choices.CHOICES)}) => window.workbench.remember({{{', '.join(choices.CHOICES)}}})"
"""`before.js` knows what is chosen, and has an id for every page that is opened."""


def build_page(workbench: Workbench, calls: WebRtcCalls) -> gr.Blocks:
    """The page over an assembled workbench; `calls` is its WebRTC side, whose talks are opened through a `LiveHub`."""
    settings = workbench.settings

    def arrive(request: gr.Request) -> gr.Dropdown:
        offered = choices.personas(workbench)
        wanted = request.query_params.get("persona", "")
        if LENT in wanted:
            # A version that was lent, for a blind trial: the name does not say which.
            offered.append((f"{wanted.partition(LENT)[0]} · blind", wanted))
        known = wanted in {persona_id for _shown, persona_id in offered}
        return gr.Dropdown(choices=offered, value=wanted) if known else gr.Dropdown(choices=offered)

    page = blocks("PersonaPlex Workbench", shell.HEAD)
    with page:
        # Strangers on a public page have nothing to log out of.
        login = settings.password is not None and not settings.public_talk
        gr.HTML(shell.top("/", shell.TALK_STATE, login=login), elem_id="wb-top", padding=False)
        with gr.Row(elem_id="wb-main"):
            with gr.Column(elem_id="wb-left", scale=0, min_width=0):
                persona = gr.Dropdown(
                    choices.personas(workbench), value=settings.persona, label="Persona", elem_id="wb-persona", filterable=False
                )
                voice = gr.Dropdown(choices.voices(workbench), value=choices.OWN_VOICE, label="Voice", elem_id="wb-voice", filterable=False)
                engine = gr.Dropdown(
                    choices.engines(workbench), value=settings.engine or AUTO, label="Engine", elem_id="wb-engine", filterable=False
                )
                # No answer is chosen beforehand.
                consent = gr.Radio(choices.CONSENTS, label=choices.CONSENT_QUESTION, elem_id="wb-consent", visible=settings.ask_consent)
                gr.HTML(shell.START, padding=False)
                recording = gr.Checkbox(settings.recording, label="Record the next talk", elem_id="wb-recording")
                gr.HTML(shell.recording_note(settings.audio_dir), padding=False)
                gr.HTML(shell.LIGHTS, padding=False)
                gr.HTML(shell.PARTS, padding=False)
                visitor = gr.Textbox(visible=False)
                microphone = calls.component(elem_id="wb-microphone", track_constraints=TRACK, container=False, show_label=False)
            with gr.Column(elem_id="wb-right", scale=1, min_width=0):
                gr.HTML(shell.STAGE, padding=False)
        parts: tuple[gr.Dropdown | gr.Checkbox | gr.Radio, ...] = (persona, voice, engine, recording, consent)
        chosen = dict(zip(choices.CHOICES, parts, strict=True))
        page.load(None, inputs=list(chosen.values()), outputs=[visitor], js=REMEMBER_JS)
        # Personas may have come since the page was built; and the address may name one.
        arrived = page.load(arrive, outputs=[persona], show_progress="hidden", queue=False)
        arrived.then(None, inputs=[persona], js="(persona) => { window.workbench.remember({ persona }); }")
        for name, component in chosen.items():
            component.input(None, inputs=[component], js=f"(value) => {{ window.workbench.remember({{ {name}: value }}); }}")
        read = functools.partial(choices.read_request, ask_consent=settings.ask_consent)
        calls.connect(microphone, [*chosen.values(), visitor], read)
    return page
