import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import AsyncGeneratorType
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from debate_caster.clock import SystemClock, VirtualClock, run_virtual
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm import LLM, Finished, Message, Request, UsageReported, guarded
from debate_caster.llm import openai as edge
from debate_caster.llm.openai import OpenAILLM
from tests.llm.doubles import REQUEST, take, take_until_error, thoughts, visible
from tests.llm.faulty_server import SPEECH, Fault, FaultyServer, Reply

KEY = "sk-canary-0123456789"


@asynccontextmanager
async def asking(server: FaultyServer, **options: Any) -> AsyncIterator[OpenAILLM]:
    llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=server.base_url, **options)
    try:
        yield llm
    finally:
        await llm.close()


async def test_a_reply_arrives_delta_by_delta_with_usage_and_end() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        deltas = await take(llm)

    assert visible(deltas) == SPEECH
    assert len(deltas) == len(SPEECH.split(" ")) + 2
    assert deltas[-2:] == [UsageReported(120, len(SPEECH.split(" ")), cached_tokens=64), Finished("stop")]


async def test_the_request_is_what_the_scenario_says() -> None:
    request = Request((Message("system", "Be brief."), Message("user", "Go.")), max_tokens=77, seed=5)
    options: dict[str, Any] = {"api_key": SecretStr(KEY), "temperature": 0.7, "top_p": 0.9, "seed": 10}

    async with FaultyServer() as server, asking(server, extra={"top_k": 40}, **options) as llm:
        await take(llm, request)

    [received] = server.requests
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go."}],
        "max_tokens": 77,
        "seed": 15,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
    }


async def test_nothing_of_the_environment_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-canary")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-canary")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async with FaultyServer() as server, asking(server) as llm:
        await take(llm)

    headers = server.requests[0].headers
    assert "authorization" not in headers
    assert not any("canary" in value for value in headers.values())


async def test_a_whole_show_uses_one_connection() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        for _ in range(5):
            await take(llm)
            assert server.connections == 1


# The sixteen faults of streaming, one by one.


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1", 1.0), ("120", 120.0), ("Fri, 31 Dec 2100 23:59:59 GMT", None), ("soonish", None), (None, None)],
)
async def test_fault_1_and_2_rate_limited_is_said_at_once_and_asked_once(
    header: str | None, seconds: float | None
) -> None:
    headers = () if header is None else (("Retry-After", header),)
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault="status", status=429, headers=headers, body={"error": {"message": "slow down"}}))

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, error.retryable, len(server.requests)) == ("rate_limited", True, 1)
    if header and header.startswith("Fri"):
        assert error.retry_after_s is not None
        assert error.retry_after_s > 1e9
    else:
        assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        pytest.param("cut", "cut", True, id="3-cut-after-two-chunks"),
        pytest.param("truncated", "truncated", True, id="6-no-finish-reason-and-no-done"),
        pytest.param("error_event", "provider", True, id="8-error-in-the-stream"),
        pytest.param("vllm_error", "provider", True, id="9-vllm-error"),
        pytest.param("broken_json", "malformed", True, id="10-broken-json"),
        pytest.param("content_filter", "filtered", False, id="12-content-filter"),
        pytest.param("refusal", "filtered", False, id="refusal"),
    ],
)
async def test_faults_in_mid_speech_come_after_the_words_before_them(fault: Fault, kind: str, retryable: bool) -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault=fault))

        taken, error = await take_until_error(llm)

        assert visible(taken) == "Cities are "
        assert not any(isinstance(delta, Finished) for delta in taken)
        assert error is not None
        assert (error.kind, error.retryable, len(server.requests)) == (kind, retryable, 1)
        assert visible(await take(llm)) == SPEECH  # and the model can be asked again


@pytest.mark.parametrize("fault", ["silent", "comments", "stalled"])
def test_fault_4_and_5_silence_and_comments_end_by_the_clock(fault: Fault) -> None:
    async def main(clock: VirtualClock) -> tuple[float, str, bool]:
        async with FaultyServer() as server:
            llm = OpenAILLM(name="m", model="tiny", clock=clock, base_url=server.base_url)
            server.plan(Reply(fault=fault))
            since = clock.monotonic()
            _, error = await take_until_error(guarded(llm, clock=clock, name="m"))
            took = clock.monotonic() - since
            await asyncio.wait_for(server.hangups.wait(), 1.0)
            await llm.close()
            return took, error.kind if error else "", server.requests[0].hung_up

    took, kind, hung_up = run_virtual(main)

    assert (kind, hung_up) == ("stalled" if fault == "stalled" else "silent", True)
    assert took == pytest.approx(20.0 if fault == "stalled" else 30.0, abs=0.5)


@pytest.mark.parametrize("after", [1, 9])
def test_comments_behind_some_words_do_not_put_off_the_end(after: int) -> None:
    async def main(clock: VirtualClock) -> tuple[float, str, str]:
        async with FaultyServer() as server:
            llm = OpenAILLM(name="m", model="tiny", clock=clock, base_url=server.base_url)
            server.plan(Reply(fault="comments_after", after=after))
            since = clock.monotonic()
            deltas, error = await take_until_error(guarded(llm, clock=clock, name="m"))
            took = clock.monotonic() - since
            await asyncio.wait_for(server.hangups.wait(), 1.0)
            await llm.close()
            return took, visible(deltas), error.kind if error else ""

    took, said, kind = run_virtual(main)

    assert said.split() == SPEECH.split()[:after]
    assert kind == "stalled"
    assert took == pytest.approx(20.0, abs=0.5)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("no_done", id="7-finished-without-done"),
        pytest.param("odd_choices", id="11-choices-missing-null-empty-or-second"),
        pytest.param("role_only", id="14-role-only-and-empty-content"),
        pytest.param("split_utf8", id="16-utf8-split-over-tcp-chunks"),
        pytest.param("content_list", id="content-as-a-list"),
        pytest.param("document", id="a-server-that-does-not-stream"),
        pytest.param("reasoning", id="13-reasoning-fields"),
        pytest.param("think_tags", id="13-think-tags"),
    ],
)
async def test_oddities_that_are_no_faults_change_nothing(fault: Fault) -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault=fault))

        deltas = await take(guarded(llm, clock=SystemClock(), name="m"))

    assert visible(deltas) == SPEECH
    assert deltas[-1] == Finished("stop")
    assert thoughts(deltas) == ("The secret plan is to sound calm." if fault in {"reasoning", "think_tags"} else "")


async def test_fault_15_three_megabytes_in_one_delta_are_cut_to_size() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault="huge_delta"))

        taken, error = await take_until_error(guarded(llm, clock=SystemClock(), name="m"))

    assert visible(taken).startswith("All the words at once. ")
    assert error is not None
    assert error.kind == "overlong"


@pytest.mark.parametrize(("reason", "kind"), [(None, "truncated"), ("", "truncated"), ("abort", "truncated")])
async def test_an_end_that_says_nothing_known_is_a_truncation(reason: str | None, kind: str) -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(finish_reason=reason))

        taken, error = await take_until_error(llm)

    assert visible(taken) == SPEECH
    assert error is not None
    assert error.kind == kind


async def test_length_is_an_end_of_its_own() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(finish_reason="length"))

        assert (await take(llm))[-1] == Finished("length")


def test_a_finished_reply_does_not_wait_for_a_goodbye_that_never_comes() -> None:
    async def main(clock: VirtualClock) -> tuple[float, list[Any]]:
        async with FaultyServer() as server:
            llm = OpenAILLM(name="m", model="tiny", clock=clock, base_url=server.base_url)
            server.plan(Reply(fault="no_goodbye"))
            deltas = await take(llm)
            at = clock.monotonic()
            await llm.close()
            return at, deltas

    at, deltas = run_virtual(main)

    assert at < 3.0
    assert (visible(deltas), deltas[-1]) == (SPEECH, Finished("stop"))


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        pytest.param(Reply(fault="status", status=500, body="<html>"), "provider", True, id="500"),
        pytest.param(Reply(fault="status", status=401, body={"error": {"message": KEY}}), "refused", False, id="401"),
        pytest.param(
            Reply(fault="status", status=307, headers=(("Location", "/elsewhere"),)), "refused", False, id="redirect"
        ),
        pytest.param(
            Reply(fault="status", status=200, body={"error": {"message": "x"}}), "provider", True, id="error-in-200"
        ),
        pytest.param(Reply(fault="status", status=200, body="<html>hello</html>"), "malformed", True, id="a-web-page"),
        pytest.param(Reply(fault="status", status=200, body=[1]), "truncated", True, id="other-json"),
        pytest.param(Reply(fault="garbage"), "cut", True, id="no-http"),
    ],
)
async def test_answers_that_are_no_reply(reply: Reply, kind: str, retryable: bool) -> None:
    async with FaultyServer() as server, asking(server, api_key=SecretStr(KEY)) as llm:
        server.plan(reply)

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, error.retryable, len(server.requests)) == (kind, retryable, 1)
    assert KEY not in str(error)


async def test_nobody_listening_is_a_failed_connection() -> None:
    async with FaultyServer() as server:
        base_url = server.base_url
    llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=base_url)

    _, error = await take_until_error(llm)
    await llm.close()

    assert error is not None
    assert (error.kind, error.retryable) == ("connect", True)


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MAX_BODY_BYTES", 100_000)
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault="huge_delta"))

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, error.retryable) == ("overlong", False)


async def test_an_option_the_server_does_not_know_is_left_out_for_good() -> None:
    async with FaultyServer() as server, asking(server, seed=1, temperature=0.5) as llm:
        server.default = Reply(fault="options_refused", refuses=("stream_options", "seed"))

        with capture_logs() as lines:
            first, second = await take(llm), await take(llm)

    assert visible(first) == visible(second) == SPEECH
    assert len(server.requests) == 4
    assert [sorted({"stream_options", "seed"} & set(request.body)) for request in server.requests] == [
        ["seed", "stream_options"],
        ["seed"],
        [],
        [],
    ]
    assert [line["option"] for line in lines if line["event"] == "model_option_left_out"] == ["stream_options", "seed"]


async def test_the_limit_goes_under_the_name_the_server_knows() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.default = Reply(fault="options_refused", refuses=("max_tokens",))

        await take(llm)

    assert [request.body.get("max_completion_tokens") for request in server.requests] == [None, 300]


async def test_a_server_that_refuses_both_names_of_the_limit_is_not_asked_for_ever() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.default = Reply(fault="options_refused", refuses=("max_tokens", "max_completion_tokens"))

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, len(server.requests)) == ("refused", 2)


async def test_a_refusal_about_a_value_is_no_reason_to_drop_the_option() -> None:
    async with FaultyServer() as server, asking(server, temperature=1.9) as llm:
        server.plan(Reply(fault="status", status=400, body={"error": {"message": "temperature is out of range"}}))

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, len(server.requests)) == ("refused", 1)


@asynccontextmanager
async def hanging_up(llm: LLM, how: str) -> AsyncIterator[None]:
    """Read one delta of a reply, then go away in one of the ways a show does."""

    async def reading(first: asyncio.Event) -> None:
        async with llm.stream(REQUEST) as deltas:
            async for _ in deltas:
                first.set()
                if how == "left":
                    return
                if how == "failed":
                    raise LookupError

    first = asyncio.Event()
    task = asyncio.create_task(reading(first))
    await first.wait()
    if how == "cancelled":
        task.cancel()
    await asyncio.wait({task})
    yield
    assert task.cancelled() or isinstance(task.exception(), LookupError | None)


@pytest.mark.parametrize("how", ["left", "failed", "cancelled"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "guarded"])
async def test_leaving_the_block_closes_the_stream_within_a_second(how: str, wrapped: bool) -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(text="word " * 1000, token_s=0.01))
        model = guarded(llm, clock=SystemClock(), name="m") if wrapped else llm

        async with hanging_up(model, how):
            await asyncio.wait_for(server.hangups.wait(), 20)  # no measure: that are the words that were sent

    assert server.requests[0].words_sent < 200


async def test_cancelling_a_call_before_its_answer_hangs_up_too() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault="silent"))
        task = asyncio.create_task(take(llm))
        await server.asked.wait()

        task.cancel()
        await asyncio.wait_for(server.hangups.wait(), 20)  # it would be silent for ever

        assert task.cancelling()


async def test_the_first_delta_comes_before_the_model_has_finished() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(text="one two three four", token_s=0.02))

        async with guarded(llm, clock=SystemClock(), name="m").stream(REQUEST) as deltas:
            await anext(deltas)
            assert server.requests[0].words_sent < 4


async def test_the_log_has_the_providers_request_id_and_no_key_or_text() -> None:
    async with FaultyServer() as server, asking(server, api_key=SecretStr(KEY)) as llm:
        server.plan(Reply(), Reply(fault="status", status=401, body={"error": {"message": f"bad key {KEY}"}}))

        with capture_logs() as lines:
            await take(llm)
            await take_until_error(llm)

    assert [(line["event"], line["request_id"]) for line in lines] == [
        ("model_answered_call", "req-faulty-1"),
        ("model_refused_call", "req-faulty-2"),
    ]
    assert KEY not in str(lines)
    assert "Cities" not in str(lines)


@pytest.mark.parametrize(
    "field", ["max_tokens", "max_completion_tokens", "n", "messages", "model", "stream", "stream_options"]
)
def test_extra_can_not_set_what_the_budget_stands_on(field: str) -> None:
    with pytest.raises(SetupError, match=f"extra must not set {field}"):
        OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url="http://127.0.0.1:1", extra={field: 1})


@pytest.mark.parametrize(
    "base_url", ["localhost:8080", "ftp://127.0.0.1/v1", "http://", "http://[::1", "not an address"]
)
def test_an_address_that_is_none_is_refused_before_the_show(base_url: str) -> None:
    with pytest.raises(SetupError, match="base_url"):
        OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=base_url)


async def test_only_openai_itself_gets_the_new_name_of_the_limit_at_once() -> None:
    llm = OpenAILLM(name="m", model="gpt", clock=SystemClock(), api_key=SecretStr(KEY))

    body = llm._body(REQUEST)
    await llm.close()

    assert body["max_completion_tokens"] == 300
    assert "max_tokens" not in body


async def test_errors_of_every_fault_are_model_errors_and_nothing_else() -> None:
    async with FaultyServer() as server, asking(server) as llm:
        model = guarded(llm, clock=SystemClock(speed=100.0), name="m")
        for fault in ("silent", "stalled", "comments", "cut", "garbage", "broken_json"):
            server.plan(Reply(fault=fault))
            try:
                await take(model)
            except ModelError:
                continue
            pytest.fail(f"{fault} went by unnoticed")


@pytest.mark.parametrize(("fault", "kind"), [("silent", "silent"), ("stalled", "stalled")])
async def test_a_socket_that_falls_silent_is_given_up_even_without_a_guard(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, kind: str
) -> None:
    monkeypatch.setattr(edge, "READ_TIMEOUT_S", 0.1)
    async with FaultyServer() as server, asking(server) as llm:
        server.plan(Reply(fault=fault))

        _, error = await take_until_error(llm)

    assert error is not None
    assert (error.kind, error.retryable) == (kind, True)


async def test_a_reply_that_is_not_read_to_its_end_leaves_no_generator_to_the_garbage_collector() -> None:
    async def suspended() -> list[str]:
        await asyncio.sleep(0.05)  # those further down are closed by tasks of their own
        found = [one for one in gc.get_objects() if isinstance(one, AsyncGeneratorType) and one.ag_frame is not None]
        return [one.__qualname__ for one in found if "site-packages" in one.ag_code.co_filename]

    gc.collect()
    gc.disable()
    try:
        async with FaultyServer() as server, asking(server) as llm:
            for _ in range(3):
                async with llm.stream(REQUEST) as deltas:
                    await anext(deltas)
            left = await suspended()
    finally:
        gc.enable()

    assert left == []
