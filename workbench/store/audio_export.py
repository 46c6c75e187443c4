"""The sound of exported talks: the FLAC files as they are, and one Parquet file that `datasets` reads as its `Audio` feature.

The feature is a struct of `bytes` and `path`; what tells `datasets` that it is sound is the JSON under the key `huggingface` in the
file's metadata.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.audio.frames import SAMPLE_RATE
from workbench.store.base import Store

AUDIO_FILE = "audio.parquet"
AUDIO_FOLDER = "audio"

_FEATURES = {
    "session_id": {"dtype": "string", "_type": "Value"},
    "audio": {"sampling_rate": SAMPLE_RATE, "num_channels": 2, "_type": "Audio"},
    "duration_s": {"dtype": "float64", "_type": "Value"},
    "lost_s": {"dtype": "float64", "_type": "Value"},
}
_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("duration_s", pa.float64()),
        ("lost_s", pa.float64()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def export_audio(store: Store, audio_dir: Path, folder: Path, sessions: str) -> int:
    """Copies the recordings of the talks in `sessions` (SQL of a table) below `folder`; left channel user, right channel agent.

    Returns how many talks have no recording: it was off, or its file is gone. One talk is in memory at a time. Raises OSError.
    """
    target = folder / AUDIO_FOLDER
    target.mkdir()
    rows = store.query(
        f"SELECT s.session_id, r.path, r.samples, r.lost_samples FROM {sessions} s "  # noqa: S608 - SQL of our own
        "LEFT JOIN voice_recordings r ON r.session_id = s.session_id ORDER BY s.started_at, s.session_id"
    )
    missing = 0
    with pq.ParquetWriter(folder / AUDIO_FILE, _SCHEMA, compression="none") as writer:
        for row in rows:
            source = audio_dir / row["path"] if row["path"] else None
            if source is None or not source.is_file():
                missing += 1
                continue
            shutil.copyfile(source, target / source.name)
            batch = [
                [row["session_id"]],
                [{"bytes": source.read_bytes(), "path": source.name}],
                [row["samples"] / SAMPLE_RATE],
                [row["lost_samples"] / SAMPLE_RATE],
            ]
            arrays = [pa.array(values, field.type) for values, field in zip(batch, _SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
    return missing
