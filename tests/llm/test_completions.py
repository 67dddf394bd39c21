from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.errors import ModelError
from debate_caster.llm import Delta, Finished, ReasoningDelta, TextDelta, ToolCallDelta, UsageReported
from debate_caster.llm.completions import ReplyReader, peer_error, read_retry_after

NOW = datetime(2026, 11, 20, 19, 0, 0, tzinfo=UTC)


def chunk(delta: Any = None, *, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def read(*chunks: Any) -> list[Delta]:
    reader = ReplyReader("m")
    return [delta for one in chunks for delta in reader.receive(one)]


@pytest.mark.parametrize(
    ("delta", "deltas"),
    [
        pytest.param({"content": "Hi"}, [TextDelta("Hi")], id="text"),
        pytest.param({"content": ""}, [], id="empty"),
        pytest.param({"content": None}, [], id="null"),
        pytest.param({"role": "assistant"}, [], id="role-only"),
        pytest.param({"content": 7}, [], id="number"),
        pytest.param(
            {"content": ["a", {"type": "text", "text": "b"}, None]}, [TextDelta("a"), TextDelta("b")], id="list"
        ),
        pytest.param({"reasoning_content": "hm", "content": None}, [ReasoningDelta("hm")], id="reasoning-content"),
        pytest.param({"reasoning": "hm", "content": ""}, [ReasoningDelta("hm")], id="reasoning"),
        pytest.param({"reasoning": "hm", "reasoning_content": "hm"}, [ReasoningDelta("hm")], id="said-twice"),
        pytest.param({"reasoning": {"a": 1}, "content": "x"}, [TextDelta("x")], id="reasoning-object"),
        pytest.param(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "x"}]},
            [ReasoningDelta("hm"), TextDelta("x")],
            id="parts-that-think",
        ),
    ],
)
def test_content_of_every_shape_is_read(delta: Any, deltas: list[Delta]) -> None:
    assert read(chunk(delta)) == deltas


@pytest.mark.parametrize(
    "odd",
    [None, 7, "x", [], {}, {"choices": None}, {"choices": []}, {"choices": [None]}, {"choices": {"0": 1}}],
    ids=repr,
)
def test_a_chunk_without_a_choice_says_nothing(odd: Any) -> None:
    assert read(odd) == []


def test_choices_that_are_not_the_first_are_left_out() -> None:
    other = {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}
    reader = ReplyReader("m")

    assert reader.receive({"choices": [other, {"delta": {"content": "a"}}]}) == [TextDelta("a")]
    assert not reader.finished


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_only_stop_and_length_are_an_end(reason: str) -> None:
    reader = ReplyReader("m")
    reader.receive(chunk({"content": "a"}))
    reader.receive(chunk(finish=reason))

    assert reader.end() == Finished("length" if reason == "length" else "stop")


@pytest.mark.parametrize("reason", [None, "", 7, "abort", "eos", "tool_calls"])
def test_any_other_end_is_a_truncation(reason: Any) -> None:
    reader = ReplyReader("m")
    reader.receive(chunk({"content": "a"}, finish=reason))

    with pytest.raises(ModelError) as caught:
        reader.end()

    assert (caught.value.kind, caught.value.retryable) == ("truncated", True)


def test_an_answer_without_any_event_is_malformed() -> None:
    with pytest.raises(ModelError) as caught:
        ReplyReader("m").end()

    assert caught.value.kind == "malformed"


def test_nothing_that_follows_the_end_can_unmake_it() -> None:
    reader = ReplyReader("m")
    reader.receive(chunk({"content": "a"}, finish="stop"))

    assert reader.receive({"error": {"message": "late"}}) == []
    assert reader.receive(chunk({"content": "b"}, finish="content_filter")) == []
    assert reader.end() == Finished("stop")


def test_text_and_end_in_one_chunk_are_both_read() -> None:
    reader = ReplyReader("m")

    assert reader.receive(chunk({"content": "all"}, finish="stop")) == [TextDelta("all")]
    assert reader.finished


def test_usage_is_read_wherever_it_comes() -> None:
    details = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}, "cost": 0.25}

    assert read({"choices": [], "usage": details}) == [UsageReported(10, 3, cached_tokens=8, cost=0.25)]
    assert read(chunk({"content": "a"}, usage={"prompt_tokens": 1})) == [TextDelta("a"), UsageReported(1, 0)]


@pytest.mark.parametrize(
    "usage", [None, {}, [], "x", {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 10**12}]
)
def test_usage_that_makes_no_sense_is_not_reported(usage: Any) -> None:
    assert read({"choices": [], "usage": usage}) == []


def test_fragments_of_a_tool_call_belong_together_by_their_index() -> None:
    first = {"index": 0, "id": "c1", "function": {"name": "search", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"q":1}'}}
    reader = ReplyReader("m")

    deltas = [*reader.receive(chunk({"tool_calls": [first]})), *reader.receive(chunk({"tool_calls": [rest]}))]
    reader.receive(chunk(finish="tool_calls"))

    assert deltas == [ToolCallDelta("c1", "search", ""), ToolCallDelta("c1", "", '{"q":1}')]
    assert reader.end() == Finished("stop")


def test_a_filtered_end_and_a_refusal_are_said_to_be_so() -> None:
    for odd in (chunk(finish="content_filter"), chunk({"refusal": "I won't"})):
        with pytest.raises(ModelError) as caught:
            read(odd)
        assert (caught.value.kind, caught.value.retryable) == ("filtered", False)


@pytest.mark.parametrize(
    ("payload", "kind", "retryable"),
    [
        pytest.param({"error": {"message": "busy", "type": "server_error"}}, "provider", True, id="openai"),
        pytest.param({"error": {"message": "slow down", "code": 429}}, "rate_limited", True, id="openrouter-429"),
        pytest.param({"error": {"message": "x", "code": "502"}}, "provider", True, id="code-as-text"),
        pytest.param({"error": "out of memory"}, "provider", True, id="bare-text"),
        pytest.param({"error": {"message": "no", "type": "invalid_request_error"}}, "refused", False, id="invalid"),
        pytest.param({"object": "error", "message": "boom", "code": 500}, "provider", True, id="vllm"),
        pytest.param(
            {"object": "error", "message": "no", "type": "BadRequestError", "code": 400},
            "refused",
            False,
            id="vllm-400",
        ),
        pytest.param({"type": "error", "message": "overloaded"}, "provider", True, id="gateway"),
        pytest.param({"choices": [{"error": {"code": 502, "message": "x"}}]}, "provider", True, id="in-a-choice"),
        pytest.param({"error": {"code": "content_filter", "message": "x"}}, "filtered", False, id="filtered"),
    ],
)
def test_an_error_in_the_stream_is_one_whatever_its_shape(payload: Any, kind: str, retryable: bool) -> None:
    with pytest.raises(ModelError) as caught:
        read(payload)

    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (401, {"error": {"message": "bad key"}}, "refused", False),
        (404, {"error": {"message": "no model"}}, "refused", False),
        (307, "", "refused", False),
        (408, None, "provider", True),
        (429, {"error": {"message": "later"}}, "rate_limited", True),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, "refused", False),
        (500, "<html>oops</html>", "provider", True),
        (501, None, "refused", False),
        (503, {"detail": "loading"}, "provider", True),
        (400, {"error": {"code": "content_filter"}}, "filtered", False),
    ],
)
def test_what_a_status_means(status: int, body: Any, kind: str, retryable: bool) -> None:
    error = peer_error("m", body, status=status)

    assert (error.kind, error.retryable) == (kind, retryable)
    assert f"status {status}" in error.detail


def test_no_key_gets_into_an_error() -> None:
    body = {"error": {"message": "Incorrect key: hunter2hunter2, or sk-abc***wxyz, or Bearer 0123.\x1b[31m"}}

    error = peer_error("m", body, status=401, secret="hunter2hunter2")

    assert "hunter2" not in str(error)
    assert "abc" not in str(error)
    assert "0123" not in str(error)
    assert "\x1b" not in str(error)


def test_a_page_of_html_is_cut_to_a_line() -> None:
    assert len(peer_error("m", "<html>\n" * 10_000, status=502).detail) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 20 Nov 2026 19:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 18:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 20:00:30 GMT", "date": "Fri, 20 Nov 2026 20:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 19:00:30 -0000"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 99 Nov 99999 99:99:99 GMT"}, None),
    ],
    ids=lambda value: str(value),
)
def test_retry_after_is_seconds_or_a_date_or_nothing(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, NOW) == seconds


KEYS = """
choices delta message content index finish_reason usage error object type code cost tool_calls function arguments
prompt_tokens prompt_tokens_details reasoning text thinking refusal
"""
keys = st.sampled_from(KEYS.split())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=5))
def test_no_json_whatsoever_raises_anything_but_a_model_error(chunks: list[Any]) -> None:
    reader = ReplyReader("m")
    with suppress(ModelError):
        for one in chunks:
            for delta in reader.receive(one):
                assert not isinstance(delta, TextDelta | ReasoningDelta) or delta.text
        assert reader.end().reason in {"stop", "length"}
