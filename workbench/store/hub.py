"""An export as a dataset on the Hugging Face Hub: the card that says what is in it, and the upload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from workbench.store.audio_export import AUDIO_FILE, AUDIO_FOLDER
from workbench.store.base import StoreError
from workbench.store.export import read_schema

CARD_FILE = "README.md"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))
_WORDS = {
    "keep": "They are as they were recognised.",
    "redact": "E-mail addresses, numbers of seven digits or more and five or more spoken digits in a row were replaced by a plain rule; "
    "names were not.",
    "blank": "They were left out.",
}
_ABOUT = {
    "sessions": "one row per talk: persona, engine and why it was chosen, transport, pace, how it ended",
    "turns": "one row per turn: speaker, words, place in session time, floor-transfer offset (`latency_ms`, negative = overlap)",
    "tool_invocations": "one row per tool call: arguments, status, latency, how its result was delivered and how far it got",
    "decisions": "one row per finished utterance of the user: what was done about it, and why",
    "barge_ins": "one row per barge-in: outcome (yielded, ignored, censored), stop latency",
    "events": "every event of the talks in samples of session time (24 kHz); the payload is JSON text, some of its fields are columns too",
    "frame_timings": "one row per 80 ms frame: how long its parts took",
    "frame_bins": "how many frames took how long, in bins of 0.1 ms",
    "recordings": "one row per recording: length, and how much of it was lost",
    "personas": "one row per version of a persona, by the hash of its content",
}


class HubApi(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> Any: ...

    def upload_folder(self, *, repo_id: str, folder_path: str, repo_type: str, commit_message: str, ignore_patterns: list[str]) -> Any: ...


def check_repo(repo_id: str) -> str:
    """`repo_id` when it can be one. Raises StoreError."""
    if _REPO.fullmatch(repo_id) is None:
        raise StoreError(f"{repo_id!r} is no name on the Hub. Write it as OWNER/NAME.")
    return repo_id


def push(folder: Path, repo_id: str, api: HubApi, *, private: bool = True, licence: str | None = None) -> str:
    """Writes the dataset card into the export `folder` and uploads it; the FLAC files stay here, their sound is in the Parquet file.

    Returns the dataset's address. Raises StoreError, with the Hub's own words, when it refuses.
    """
    check_repo(repo_id)
    (folder / CARD_FILE).write_text(card(folder, repo_id, licence), "utf-8")
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=str(folder),
            repo_type="dataset",
            commit_message="Export of the PersonaPlex Workbench",
            ignore_patterns=[f"{AUDIO_FOLDER}/*"],
        )
    except Exception as error:
        raise StoreError(f"the Hub refused {repo_id}: {error}. Check HF_TOKEN (it must be allowed to write) and the name.") from error
    return f"https://huggingface.co/datasets/{repo_id}"


def card(folder: Path, repo_id: str, licence: str | None) -> str:
    """The dataset card of an export: front matter for the Hub, then what is in it and how it was made."""
    schema = read_schema(folder)
    tables: Mapping[str, Any] = {name: table for name, table in schema["tables"].items() if table["rows"]}
    configs = [{"config_name": name, "data_files": f"{name}/**/*.parquet", "default": name == "turns"} for name in tables]
    with_sound = (folder / AUDIO_FILE).is_file()
    if with_sound:
        configs.append({"config_name": "audio", "data_files": AUDIO_FILE})
    turns = schema["tables"]["turns"]["rows"]
    front: dict[str, Any] = {
        "pretty_name": repo_id.split("/")[1],
        "size_categories": [next((name for limit, name in _SIZES if turns < limit), "10M<n<100M")],
        "tags": ["full-duplex", "voice-agent", "spoken-dialogue", "personaplex"],
        "configs": [{key: value for key, value in config.items() if value is not False} for config in configs],
    }
    if licence is not None:
        front = {"license": licence} | front
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {front['pretty_name']}",
        "Talks between people and voice personas, recorded by the PersonaPlex Workbench "
        f"{schema['workbench_version']} (schema {schema['schema_version']}) and exported {schema['exported_at']}.",
        "| table | rows | what |\n|---|---|---|\n"
        + "\n".join(f"| `{name}` | {table['rows']:,} | {_ABOUT.get(name, '')} |" for name, table in tables.items()),
        "## Features",
        *(_features(name, table["columns"]) for name, table in tables.items()),
    ]
    if with_sound:
        parts.append("`audio`: stereo FLAC at 24 kHz, the user on the left channel and the agent on the right, sample 0 at session time 0.")
    return "\n\n".join([*parts, "## How it was made", _how(schema), "## Licence", _licence(licence)]) + "\n"


def _features(name: str, columns: Mapping[str, str]) -> str:
    return f"`{name}`: " + ", ".join(f"{column} ({kind.lower()})" for column, kind in columns.items()) + "."


def _how(schema: Mapping[str, Any]) -> str:
    options = schema["options"]
    chosen = [
        f"{what}: {', '.join(options[key]) if isinstance(options[key], list) else options[key]}"
        for key, what in (
            ("since", "begun since"),
            ("until", "begun before"),
            ("personas", "personas"),
            ("engines", "engines"),
            ("sessions", "sessions"),
        )
        if options[key]
    ]
    scored = ", ".join(f"{by} ({count} talks)" for by, count in schema["scored_by"].items()) or "unknown"
    return "\n".join(
        [
            f"- Chosen: {'; '.join(chosen) or 'all talks that were over'}.",
            f"- Words: {_WORDS[options['words']]}",
            f"- Prompts of the personas: {'included' if options['prompts'] else 'left out'}.",
            f"- Turns and barge-ins were derived by the definitions {scored}. All times are session time: samples at 24 kHz, or ms.",
        ]
    )


def _licence(licence: str | None) -> str:
    if licence is not None:
        return f"`{licence}`, as chosen by whoever published this dataset."
    return "None was chosen. Whoever publishes talks needs the consent of those who speak in them."
