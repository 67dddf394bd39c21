import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.pulsar.frames import FrameError, Shape
from debate_caster.pulsar.messages import (
    BroadcastStart,
    Command,
    Register,
    StreamText,
    decode_agent_frame,
    encode_reply,
)
from debate_caster.pulsar.text import utf16_length
from tests.pulsar.test_frames import JSON
from tests.pulsar.vectors import VECTORS, as_fields

FIELDS = [
    "agentId",
    "name",
    "emoji",
    "color",
    "style",
    "secret",
    "token",
    "participationMode",
    "features",
    "resume",
    "title",
    "topic",
    "category",
    "tags",
    "show",
    "broadcastId",
    "text",
    "turn",
    "index",
    "ref",
    "emotion",
    "event",
    "reason",
    "minutes",
    "state",
    "id",
    "ok",
    "message",
    "desk",
]


@pytest.mark.parametrize("vector", VECTORS["agent"], ids=lambda vector: vector["name"])
def test_agents_frames_mean_what_the_vectors_say(vector: dict[str, Any]) -> None:
    command = decode_agent_frame(json.dumps(vector["frame"]))
    assert type(command).__name__ == vector["command"]
    assert as_fields(command) == vector["fields"] | ({"shape": "payload"} if vector["shape"] == "payload" else {})


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_what_is_no_message_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    with pytest.raises(FrameError) as caught:
        decode_agent_frame(vector["frame"])
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize("vector", VECTORS["replies"], ids=lambda vector: f"{vector['type']} {vector['shape']}")
def test_replies_are_written_as_the_vectors_say(vector: dict[str, Any]) -> None:
    written = encode_reply(Shape(vector["shape"]), vector["type"], vector["body"], ts=vector["ts"])
    assert json.loads(written) == vector["frame"]


@settings(deadline=None)
@given(
    st.sampled_from([vector["frame"]["type"] for vector in VECTORS["agent"]]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8),
)
def test_fields_of_any_type_make_a_command_or_a_refusal(type_: str, fields: dict[str, Any]) -> None:
    try:
        command = decode_agent_frame(json.dumps({"type": type_, "payload": fields}))
    except FrameError:
        return
    assert isinstance(command, Command)


def test_texts_are_cut_to_pulsars_limits_at_whole_graphemes() -> None:
    family = "👨‍👩‍👧‍👦"
    line = decode_agent_frame(json.dumps({"type": "stream_text", "text": "x" * 3995 + family}))
    assert isinstance(line, StreamText)
    assert line.text == "x" * 3995
    named = decode_agent_frame(json.dumps({"type": "register", "agentId": "a", "name": "é" * 59 + family}))
    assert isinstance(named, Register)
    assert named.name == "é" * 59
    started = decode_agent_frame(json.dumps({"type": "broadcast_start", "topic": "t" * 500}))
    assert isinstance(started, BroadcastStart)
    assert utf16_length(started.title) == 200


def test_credentials_do_not_show_in_a_commands_repr() -> None:
    register = {"type": "register", "agentId": "a", "name": "A", "secret": "canary-1", "token": "canary-2"}
    start = {"type": "broadcast_start", "show": {"id": "s", "key": "canary-3"}}
    assert "canary" not in repr(decode_agent_frame(json.dumps(register))) + repr(decode_agent_frame(json.dumps(start)))


def test_a_frame_above_the_callers_limit_is_refused() -> None:
    with pytest.raises(FrameError, match="100 allowed"):
        decode_agent_frame(json.dumps({"type": "stream_text", "text": "x" * 100}), max_bytes=100)
