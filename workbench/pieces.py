"""Byte-fallback pieces: a sign that the text tokenizer has no piece for comes as one piece for each of its UTF-8 bytes."""

from __future__ import annotations

import codecs
import re

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece writes a byte, and how NVIDIA's server sends it."""
UNREADABLE = "\ufffd"


def parts_of(text: str) -> list[str]:
    """A text in which byte pieces may stand among others, as pieces for `PieceJoiner.add`."""
    return [part for part in re.split(f"({BYTE.pattern.replace('(', '(?:')})", text) if part]


class PieceJoiner:
    """Turns one talk's pieces, in order, into readable text. Bytes of consecutive pieces are kept back until their sign is whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: str) -> str:
        """What can be shown now: nothing in the middle of a sign, U+FFFD for bytes that make none. An empty piece is a pause, and a
        sign does not reach over it."""
        byte = BYTE.fullmatch(piece)
        if byte is None:
            return self.flush() + piece
        # A zero byte is a sign of its own in UTF-8, but databases do not take it in a text.
        return self._decoder.decode(bytes.fromhex(byte[1])).replace("\0", UNREADABLE)

    def flush(self) -> str:
        """U+FFFD when the talk ends, or goes on, in the middle of a sign."""
        return self._decoder.decode(b"", final=True)
