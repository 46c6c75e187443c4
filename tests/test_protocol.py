"""The wire protocol: what we write is what NVIDIA's parts read, and no bytes at all can make the reader fall over."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.protocol import (
    MAX_AUDIO_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_TEXT_BYTES,
    Audio,
    ChatQuery,
    Control,
    ControlMessage,
    ErrorMessage,
    Handshake,
    Message,
    Metadata,
    Ping,
    QueryError,
    Text,
    Unknown,
    decode,
    encode,
    parse_query,
)

_texts = st.text(st.characters(codec="utf-8"), max_size=200)
_data = st.dictionaries(_texts.filter(lambda key: key not in {"type", "code", "message"}), st.integers() | _texts | st.none(), max_size=4)
_messages = st.one_of(
    st.just(Handshake()),
    st.builds(Handshake, st.integers(1, 255), st.integers(0, 255)),
    st.builds(Audio, st.binary(max_size=500)),
    st.builds(Text, _texts),
    st.builds(ControlMessage, st.sampled_from(Control)),
    st.builds(Metadata, _texts, _data),
    st.builds(ErrorMessage, _texts, _texts, _data),
    st.just(Ping()),
)


@given(_messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    message = decode(data)
    if isinstance(message, Unknown):
        assert message.reason
    else:
        assert decode(encode(message)) == message


@pytest.mark.parametrize("kind", range(7))
@given(body=st.binary(max_size=120))
def test_no_body_of_a_known_kind_makes_the_reader_raise(kind: int, body: bytes) -> None:
    decode(bytes([kind]) + body)


def test_the_bytes_are_those_of_the_reference() -> None:
    assert encode(Handshake()) == b"\x00"
    assert encode(Audio(b"OggS")) == b"\x01OggS"
    assert encode(Text(" hé")) == b"\x02 h\xc3\xa9"
    assert encode(Ping()) == b"\x06"
    assert decode(b"\x00\x01\x02") == Handshake(1, 2)
    assert decode(b"\x02\xff") == Text("\ufffd")
    assert decode(b"\x05plain words") == ErrorMessage("error", "plain words")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x07", "0x07"),
        (b"\xffabc", "0xff"),
        (b"\x03", "two bytes"),
        (b"\x03\x7f", "known action"),
        (b"\x04[1]", "JSON object"),
        (b"\x04" + b"[" * 100_000, "JSON object"),
        (b"\x01" + bytes(MAX_AUDIO_BYTES + 1), "audio"),
        (b"\x02" + bytes(MAX_TEXT_BYTES + 1), "text"),
        (bytes(MAX_MESSAGE_BYTES + 1), "1,048,577"),
    ],
)
def test_what_is_no_message_says_why(data: bytes, reason: str) -> None:
    message = decode(data)
    assert isinstance(message, Unknown)
    assert reason in message.reason


def test_what_is_too_long_is_not_written() -> None:
    with pytest.raises(ValueError, match="cut it"):
        encode(Audio(bytes(MAX_AUDIO_BYTES + 1)))
    assert decode(encode(Text("\ud800"))) == Text("?")


def test_json_kinds_keep_their_own_fields() -> None:
    body = json.loads(encode(ErrorMessage("busy", "try later", {"queue_position": 3, "code": "forged"}))[1:])
    assert body == {"code": "busy", "message": "try later", "queue_position": 3}


def test_query_of_the_web_client_is_understood() -> None:
    query = parse_query(
        {
            "voice_prompt": "NATF2.pt",
            "text_prompt": "You are a wise teacher.",
            "seed": "-1",
            "text_temperature": "0.7",
            "text_topk": "25",
            "pad_mult": "0",
            "worker_auth_id": "",
            "email": "a@b",
        }
    )
    assert query == ChatQuery(
        voice_prompt="NATF2.pt", text_prompt="You are a wise teacher.", sampling={"text_temperature": 0.7, "text_topk": 25.0}
    )
    assert parse_query({}) == ChatQuery()
    assert parse_query({"seed": "7", "recording": "off", "events": "1"}) == ChatQuery(seed=7, recording=False, events=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("voice_prompt", "../inputs/user.wav"),
        ("voice_prompt", "/etc/passwd"),
        ("persona", ".hidden"),
        ("persona", "a\x00b"),
        ("engine", "x" * 65),
        ("conversation_id", "a b"),
        ("seed", "1.5"),
        ("seed", "9" * 19),
        ("seed", "--1"),
        ("seed", "²"),
        ("text_temperature", "nan"),
        ("text_temperature", "-0.1"),
        ("audio_topk", "many"),
        ("recording", "perhaps"),
        ("text_prompt", "x" * 20_000),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query({name: value})
    assert caught.value.parameter == name
    assert name in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from(["voice_prompt", "persona", "seed", "text_temperature", "audio_topk", "recording", "events"]), st.text()
    )
)
def test_no_query_makes_the_parser_fall_over(query: dict[str, str]) -> None:
    with contextlib.suppress(QueryError):
        assert isinstance(parse_query(query), ChatQuery)
