from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor

from workbench.pieces import BYTE, UNREADABLE, PieceJoiner

TOKENIZER = Path(__file__).parent / "data" / "personaplex" / "tokenizer_spm_32k_3.model"
READABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def as_bytes(text: str) -> list[str]:
    return [f"<0x{byte:02X}>" for byte in text.encode()]


def joined(pieces: list[str]) -> str:
    joiner = PieceJoiner()
    return "".join(joiner.add(piece) for piece in pieces) + joiner.flush()


@given(st.lists(READABLE.map(lambda text: (text, as_bytes(text))) | READABLE.map(lambda text: (text, [text]))))
def test_whole_signs_come_back(parts: list[tuple[str, list[str]]]) -> None:
    assert joined([piece for _text, pieces in parts for piece in pieces]) == "".join(text for text, _pieces in parts)


@given(st.lists(st.integers(0, 255).map(lambda byte: f"<0x{byte:02X}>") | st.sampled_from(["", " a", "<s>"]), max_size=40))
def test_no_byte_is_ever_shown_and_none_is_lost_without_a_mark(pieces: list[str]) -> None:
    text = joined(pieces)
    assert BYTE.search(text) is None
    assert "\0" not in text
    data = [bytes.fromhex(byte[1]) if (byte := BYTE.fullmatch(piece)) else piece.encode() for piece in pieces]
    if "" not in pieces:
        assert text == b"".join(data).decode(errors="replace").replace("\0", UNREADABLE)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["<0xE2>", "<0x82>", "<0xAC>"], ["", "", "€"]),
        (["<0xE2>", "<0x82>", " a"], ["", "", "\ufffd a"]),
        (["<0xE2>", "", "<0x82>"], ["", "\ufffd", "\ufffd"]),
        (["<0xC3>", "<0xC3>", "<0xBC>"], ["", "\ufffd", "ü"]),
        (["<0xFF>", "<0x00>"], ["\ufffd", "\ufffd"]),
        (["<0xe2>", "<0xE2", "x<0x41>"], ["<0xe2>", "<0xE2", "x<0x41>"]),
    ],
)
def test_when_it_is_shown(pieces: list[str], shown: list[str]) -> None:
    joiner = PieceJoiner()
    assert [joiner.add(piece) for piece in pieces] == shown


@given(READABLE)
def test_what_the_tokenizer_cuts_is_put_together(text: str) -> None:
    tokenizer = SentencePieceProcessor(model_file=str(TOKENIZER))
    ids = tokenizer.encode(text)
    pieces = [tokenizer.id_to_piece(number).replace("\u2581", " ") for number in ids]
    assert joined(pieces).lstrip(" ") == tokenizer.decode(ids).lstrip(" ")
