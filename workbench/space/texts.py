"""The two files of a Space that are written for it: its card, and how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import yaml

Hardware = Literal["cpu", "gpu"]

PORT = 7860
SUGGESTED: Mapping[Hardware, str] = {"cpu": "cpu-basic", "gpu": "a10g-small"}
"""The 7B model takes 16 GiB of GPU memory with one talk; an A10G has 24."""

DOCKERFILE = """\
FROM python:3.11.11-slim-bookworm
# flite speaks better than the voice in the wheels.
RUN apt-get update && apt-get install -y --no-install-recommends libflite1 && rm -rf /var/lib/apt/lists/*
# A Space runs as the user 1000.
RUN useradd --create-home --uid 1000 user
USER user
ENV PATH=/home/user/.local/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /home/user/app
# Every package with its version, so nothing is left to be resolved; the packages first, since this layer stays as long as they do.
COPY --chown=user requirements.txt .
RUN pip install --user --no-cache-dir --no-deps -r requirements.txt
COPY --chown=user . .
RUN pip install --user --no-cache-dir --no-deps ./source
EXPOSE 7860
CMD ["python", "-m", "workbench.space.start"]
"""


def card(title: str, hardware: Hardware) -> str:
    """The Space's README: front matter for the Hub, then what its owner and its visitors need to know."""
    front: dict[str, Any] = {
        "title": title,
        "emoji": "\N{STUDIO MICROPHONE}\N{VARIATION SELECTOR-16}",
        "colorFrom": "gray",
        "colorTo": "indigo",
        "sdk": "docker",
        "app_port": PORT,
        "license": "apache-2.0",
        "short_description": "Talk to a voice persona and break in on it",
        "suggested_hardware": SUGGESTED[hardware],
        "startup_duration_timeout": "1h",
    }
    if hardware == "gpu":
        front["models"] = ["nvidia/personaplex-7b-v1"]
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n# {title}\n\n{_ABOUT}\n{_ENGINE[hardware]}\n{_OWNER}"


_ABOUT = """\
Talk to a voice persona, break in on it, ask it for the time in Tokyo. The page asks first whether your talks may be kept; of those who
say no, nothing is written down.
"""
_ENGINE: Mapping[Hardware, str] = {
    "cpu": """\
This Space has no GPU: the classic engine answers, half duplex, with small recognisers and voices.
""",
    "gpu": """\
On a GPU with 24 GB PersonaPlex answers, full duplex. The first start fetches its weights, for which `HF_TOKEN` must belong to somebody
who has accepted their licence; until then the classic engine answers.
""",
}
_OWNER = """\
## For the owner

Set these under Settings, Variables and secrets:

| secret | what for |
|---|---|
| `HF_TOKEN` | TURN credentials for every call: only HTTP reaches a Space, so sound takes a TURN server. With a GPU also the weights |
| `WORKBENCH_PASSWORD` | yours. Visitors see the Talk page and nothing else; with it you reach sessions, personas, latencies and topology |

Without `WORKBENCH_PASSWORD` nobody reaches those pages. Log in at `https://OWNER-NAME.hf.space/login`, not inside the frame of
huggingface.co: browsers keep no cookie there. Talks lie in `/data` where the Space has persistent storage, else they are gone with its next
start. Every setting of the workbench is a variable; `WORKBENCH_ASK_CONSENT` and `WORKBENCH_PUBLIC_TALK` are on here.
"""
