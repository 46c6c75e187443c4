"""The files of a PersonaPlex repository on the Hub, by name."""

from __future__ import annotations

LM_FILE = "model.safetensors"
MIMI_FILE = "tokenizer-e351c8d8-checkpoint125.safetensors"
TEXT_FILE = "tokenizer_spm_32k_3.model"
VOICES_FILE = "voices.tgz"
FILES = ("config.json", LM_FILE, MIMI_FILE, TEXT_FILE, VOICES_FILE)
