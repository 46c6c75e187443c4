import io
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.speech.asr_pipe import HEADER, MAX_PAYLOAD, Kind, pack, unpack_header
from workbench.engines.speech.pocketsphinx_worker import serve


@given(kind=st.sampled_from(Kind), payload=st.binary(max_size=200))
def test_what_is_packed_is_unpacked(kind: Kind, payload: bytes) -> None:
    message = pack(kind, payload)
    assert unpack_header(message[: HEADER.size]) == (kind, len(payload))
    assert message[HEADER.size :] == payload


@given(header=st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_a_strange_header_is_a_value_error_or_one_of_ours(header: bytes) -> None:
    kind, length = HEADER.unpack(header)
    if kind in set(Kind) and length <= MAX_PAYLOAD:
        assert unpack_header(header) == (kind, length)
    else:
        with pytest.raises(ValueError, match=r"lost step|is not a valid Kind"):
            unpack_header(header)


def test_a_message_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        pack(Kind.AUDIO, bytes(MAX_PAYLOAD + 1))


def answers(*requests: bytes) -> list[tuple[Kind, bytes]]:
    sink = io.BytesIO()
    serve(io.BytesIO(b"".join(requests)), sink)
    sink.seek(0)
    found = []
    while header := sink.read(HEADER.size):
        kind, length = unpack_header(header)
        found.append((kind, sink.read(length)))
    return found


def test_the_worker_answers_each_request_once_and_ends_with_its_input() -> None:
    silence = np.zeros(16_000, "<i2").tobytes()
    order = json.dumps({"phrases": ["go forward ten meters", "qqqqqqqq"]}).encode()
    opened, heard, done, again = answers(pack(Kind.OPEN, order), pack(Kind.AUDIO, silence), pack(Kind.FINISH), pack(Kind.FINISH))
    assert opened[0] is Kind.OPEN
    assert list(json.loads(opened[1])["left_out"]) == ["qqqqqqqq"]
    assert heard == (Kind.AUDIO, b"")
    assert done[0] is again[0] is Kind.FINISH
    assert json.loads(again[1]) == {"text": "", "command": None}


def test_the_worker_tells_what_it_cannot_do_and_lives() -> None:
    early, broken = answers(pack(Kind.AUDIO, b"\0\0"), pack(Kind.OPEN, b"no json"))
    assert early == (Kind.FAULT, b"ValueError: sound came before OPEN")
    assert broken[0] is Kind.FAULT
    assert answers(b"\x02\x10") == []


def test_the_worker_imports_neither_the_page_nor_torch() -> None:
    heavy = "('gradio', 'torch', 'soxr', 'httpx')"
    code = f"import sys, workbench.engines.speech.pocketsphinx_worker; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
