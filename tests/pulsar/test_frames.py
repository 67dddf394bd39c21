import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.errors import ProtocolError
from debate_caster.pulsar.frames import FrameError, Shape, decode_frame, encode_frame

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=8).filter(lambda key: key not in {"type", "ts", "payload"}), JSON, max_size=5)
MESSAGES = st.fixed_dictionaries(
    {"type": st.text(max_size=20) | JSON}, optional={"payload": JSON, "ts": JSON, "a": JSON}
)
NO_JSON = st.binary(max_size=200) | st.lists(st.characters() | st.characters(categories=["Cs"]), max_size=200).map(
    "".join
)
"""As good as never any."""


@settings(deadline=None)
@given(st.sampled_from([Shape.FLAT, Shape.PAYLOAD]), st.text(min_size=1, max_size=20), BODIES)
def test_what_is_encoded_is_decoded_again(shape: Shape, type_: str, body: dict[str, Any]) -> None:
    frame = decode_frame(encode_frame(shape, type_, body, ts=5))
    assert (frame.shape, frame.type, frame.body) == (shape, type_, body)


@settings(deadline=None)
@given(BODIES)
def test_a_hybrid_frame_says_the_same_to_readers_of_either_shape(body: dict[str, Any]) -> None:
    message = json.loads(encode_frame(Shape.HYBRID, "register", body))
    assert message.pop("payload") == body
    assert message == {"type": "register", **body}


def is_message(raw: str | bytes) -> bool:
    """Say whether it is JSON, and an object with a type; how large or deep it is does not count here."""
    try:
        message = json.loads(raw.decode() if isinstance(raw, bytes) else raw, parse_constant=float.fromhex)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("type"), str) and message["type"] != ""


@settings(deadline=None)
@given(NO_JSON | (JSON | MESSAGES).map(json.dumps))
def test_a_json_object_with_a_type_is_a_frame_and_all_else_a_protocol_error(raw: str | bytes) -> None:
    if not is_message(raw):
        with pytest.raises(ProtocolError):
            decode_frame(raw)
        return
    frame = decode_frame(raw)
    assert frame.type != ""
    assert json.dumps(frame.body, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("[" * 100_000, id="endless nesting"),
        pytest.param('{"type":"x","a":' + '{"a":' * 40 + "1" + "}" * 41, id="too deep"),
        pytest.param('{"type":"x","n":' + "9" * 5000 + "}", id="integer without end"),
        pytest.param(f'{{"type":"x","n":-{10**400}}}', id="integer that no float holds"),
        pytest.param('{"type":"x","n":Infinity}', id="infinity"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param('{"type":"' + "x" * 3_000_000 + '"}', id="3 MB"),
        pytest.param(("é" * 1_100_000).encode(), id="too many bytes"),
    ],
)
def test_hostile_frames_are_refused(raw: str | bytes) -> None:
    with pytest.raises(FrameError, match="PARSE_ERROR"):
        decode_frame(raw)


def test_the_limit_counts_bytes_not_characters() -> None:
    raw = '{"type":"x","a":"' + "中" * 100 + '"}'
    with pytest.raises(FrameError):
        decode_frame(raw, max_bytes=len(raw))
    assert decode_frame(raw, max_bytes=len(raw.encode())).type == "x"


def test_lone_surrogates_are_replaced_in_values_and_keys() -> None:
    frame = decode_frame('{"type":"x","a\\ud800":["\\udfff",{"b":"ok"}]}')
    assert frame.body == {"a\ufffd": ["\ufffd", {"b": "ok"}]}


@pytest.mark.parametrize("innermost", ["1", '"\\ud800"'], ids=["plain", "with a lone surrogate"])
def test_32_levels_are_taken_and_one_more_is_not(innermost: str) -> None:
    def nested(levels: int) -> str:
        return '{"type":"x","a":' + "[" * (levels - 1) + innermost + "]" * (levels - 1) + "}"

    assert decode_frame(nested(32)).type == "x"
    with pytest.raises(FrameError, match="nested deeper"):
        decode_frame(nested(33))


def test_numbers_beyond_all_bounds_count_as_absent() -> None:
    assert decode_frame('{"type":"x","a":1e400}').body == {"a": None}


def test_a_body_cannot_take_the_place_of_the_frames_own_fields() -> None:
    with pytest.raises(ValueError, match="type"):
        encode_frame(Shape.FLAT, "stream_text", {"type": "broadcast_end"})


def test_an_error_says_its_code_and_why() -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame("{}")
    assert caught.value.code == "PARSE_ERROR"
    assert str(caught.value) == "PARSE_ERROR: no type"
