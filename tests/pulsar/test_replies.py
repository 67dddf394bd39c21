import json
from functools import cache
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from debate_caster.errors import ProtocolError
from debate_caster.pulsar import replies
from debate_caster.pulsar.replies import (
    ControlOrdered,
    DeskWanted,
    LiveUpdate,
    Registered,
    ViewerContext,
    decode_server_frame,
)
from tests.pulsar.test_frames import JSON, MESSAGES, NO_JSON, is_message
from tests.pulsar.vectors import VECTORS, as_fields

TYPES = [vector["frame"]["type"] for vector in VECTORS["server"]]
REPLIES = {
    type_: {vector["reply"] for vector in VECTORS["server"] if vector["frame"]["type"] == type_} for type_ in TYPES
}
FIELDS = [
    "sessionToken",
    "features",
    "resume",
    "broadcastId",
    "reason",
    "messages",
    "recentMessages",
    "hints",
    "viewers",
    "viewerCount",
    "ref",
    "seq",
    "code",
    "id",
    "command",
    "token",
    "text",
    "wanted",
]


@pytest.mark.parametrize("vector", VECTORS["server"], ids=lambda vector: vector["name"])
def test_servers_frames_mean_what_the_vectors_say(vector: dict[str, Any]) -> None:
    reply = decode_server_frame(json.dumps(vector["frame"]))
    assert type(reply).__name__ == vector["reply"]
    assert as_fields(reply) == vector["fields"]


@settings(deadline=None)
@given(
    st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(JSON), max_size=6), st.booleans()
)
def test_fields_of_any_type_are_survived(type_: str, fields: dict[str, Any], flat: bool) -> None:
    reply = decode_server_frame(json.dumps({"type": type_, **fields} if flat else {"type": type_, "payload": fields}))
    assert type(reply).__name__ in REPLIES[type_] | {"Other"}
    for name, adapter in declared(type(reply).__name__).items():
        adapter.validate_python(getattr(reply, name), strict=True)


@cache
def declared(reply: str) -> dict[str, TypeAdapter[Any]]:
    """Return what checks the type of each field."""
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(getattr(replies, reply)).items()}


@settings(deadline=None)
@given((NO_JSON | (JSON | MESSAGES).map(json.dumps)).filter(lambda raw: not is_message(raw)))
def test_what_is_no_object_with_a_type_is_a_protocol_error(raw: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_server_frame(raw)


def test_a_flood_of_lines_in_one_frame_is_bounded() -> None:
    line = {"role": "viewer", "name": "n" * 500, "text": "t" * 9000, "id": "i" * 900}
    update = decode_server_frame(json.dumps({"type": "live_update", "messages": [line] * 60}))
    assert isinstance(update, LiveUpdate)
    assert len(update.lines) == 50
    assert max(len(kept.name) for kept in update.lines) == 60
    assert max(len(kept.text) for kept in update.lines) == 4000
    hint = {"id": "h", "text": "t" * 9000}
    context = decode_server_frame(json.dumps({"type": "viewer_context", "hints": [hint] * 60}))
    assert isinstance(context, ViewerContext)
    assert (len(context.hints), len(context.hints[0].text)) == (50, 1000)


def test_the_session_token_does_not_show() -> None:
    registered = decode_server_frame('{"type":"registered","sessionToken":"canary"}')
    assert isinstance(registered, Registered)
    assert "canary" not in repr(registered)


@pytest.mark.parametrize("type_", ["control", "desk_wanted"])
def test_the_producers_token_does_not_show(type_: str) -> None:
    said = decode_server_frame(json.dumps({"type": type_, "id": "c_1", "token": "canary"}))
    assert isinstance(said, ControlOrdered | DeskWanted)
    assert said.token == "canary"
    assert "canary" not in repr(said)
