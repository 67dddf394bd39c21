"""Who is asked over HTTP: the requests that a server gets, and every answer that is none."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from debate_caster.clock import Clock, SystemClock, VirtualClock, run_virtual
from debate_caster.errors import ReviewError, SetupError
from debate_caster.llm.reviewing import MAX_ANSWER_BYTES, HookReviewer, ProviderReviewer, open_reviewers
from debate_caster.scenario.script import HookScript, ModelScript, Moderation


@dataclass(slots=True)
class Office:
    """A loopback endpoint that answers each request with the same bytes, and keeps what it was sent.

    After ``limit`` requests it answers with ``failure``: with nothing and a closed connection where that is empty, and
    never where it is None.
    """

    url: str = ""
    answer: bytes = b""
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    limit: int | None = None
    failure: bytes | None = None


def document(body: object, status: str = "200 OK", headers: str = "") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n{headers}\r\n".encode() + raw


@asynccontextmanager
async def office(answer: bytes, *, limit: int | None = None, failure: bytes | None = None) -> AsyncGenerator[Office]:
    desk = Office(answer=answer, limit=limit, failure=failure)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                length = lengths[0] if lengths else 0
                desk.heads.append(head)
                desk.bodies.append(await reader.readexactly(length))
                over = desk.limit is not None and len(desk.bodies) > desk.limit
                if over and desk.failure is None:
                    await reader.read()
                answer = (desk.failure or b"") if over else desk.answer
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        desk.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield desk


@asynccontextmanager
async def hook(desk: Office, clock: Clock, secret: str = "") -> AsyncGenerator[HookReviewer]:
    reviewer = HookReviewer(
        HookScript(url=f"{desk.url}/check", secret=SecretStr(secret) if secret else None), clock=clock
    )
    try:
        yield reviewer
    finally:
        await reviewer.close()


@asynccontextmanager
async def provider(desk: Office, clock: Clock) -> AsyncGenerator[ProviderReviewer]:
    script = ModelScript(
        name="guard", provider="openai", base_url=f"{desk.url}/v1/", model="omni", api_key=SecretStr("sk-canary")
    )
    reviewer = ProviderReviewer(script, clock=clock)
    try:
        yield reviewer
    finally:
        await reviewer.close()


async def test_a_hook_gets_the_text_and_what_came_before_signed_with_its_secret() -> None:
    async with office(document({"allow": True})) as desk, hook(desk, SystemClock(), "canary") as reviewer:
        assert await reviewer.review("Now this — and ü.", "x" * 5000 + "Before. ") == ""

    [head], [body] = desk.heads, desk.bodies
    signature = next(line for line in head.split("\r\n") if line.lower().startswith("debate-caster-signature:"))
    at, digest = (part.partition("=")[2] for part in signature.partition(": ")[2].split(","))
    assert head.startswith("POST /check ")
    assert json.loads(body) == {"text": "Now this — and ü.", "before": "x" * 992 + "Before. "}
    assert digest == hmac.new(b"canary", at.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert "canary" not in head + body.decode()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("hate", "hate"),
        ("\x1b[31mhate\nlevel=admin", "31mhate level admin"),
        ("x" * 500, "x" * 60),
        (None, "refused"),
        ({"a": 1}, "refused"),
        ("\u202e", "refused"),
    ],
)
async def test_a_hooks_reason_is_a_plain_word_or_two(said: object, reason: str) -> None:
    async with (
        office(document({"allow": False, "reason": said})) as desk,
        hook(desk, SystemClock()) as reviewer,
    ):
        assert await reviewer.review("Text.", "") == reason
    assert "signature" not in desk.heads[0].lower()


async def test_a_provider_is_asked_at_its_moderation_endpoint_with_its_key() -> None:
    flagged = {"flagged": True, "categories": {"violence": True, "hate": True, "self-harm": False}}
    async with office(document({"results": [flagged]})) as desk, provider(desk, SystemClock()) as reviewer:
        assert await reviewer.review("Text.", "Before. ") == "hate, violence"
        desk.answer = document({"results": [{"flagged": False, "categories": {"hate": False}}]})
        assert await reviewer.review("Text.", "") == ""

    assert desk.heads[0].startswith("POST /v1/moderations ")
    assert "Bearer sk-canary" in desk.heads[0]
    assert json.loads(desk.bodies[0]) == {"model": "omni", "input": "Before. Text."}


NO_ANSWERS = [
    pytest.param(document({"allow": True, "results": [{"flagged": False}]}, "500 Oops"), id="an-error"),
    pytest.param(document({"allow": True}, "302 Found", "Location: http://127.0.0.1:9/\r\n"), id="a-redirect"),
    pytest.param(document({"allow": True}, "204 No Content"), id="no-content"),
    pytest.param(document(b"yes"), id="not-json"),
    pytest.param(document(b"[" * 30_000), id="too-deep"),
    pytest.param(document([]), id="not-an-object"),
    pytest.param(document({}), id="empty"),
    pytest.param(document({"allow": "true", "results": "none"}), id="wrong-types"),
    pytest.param(document({"allow": 1, "results": []}), id="no-results"),
    pytest.param(document({"allow": None, "results": [{"flagged": False}, {"flagged": 0}]}), id="half-an-answer"),
    pytest.param(document({"allow": True, "pad": "x" * MAX_ANSWER_BYTES}), id="endless"),
    pytest.param(b"\x00\x01 this is not HTTP\r\n\r\n", id="not-http"),
]


@pytest.mark.parametrize("answer", NO_ANSWERS)
@pytest.mark.parametrize("opened", [hook, provider], ids=["hook", "provider"])
async def test_what_is_no_clear_answer_is_an_error(answer: bytes, opened: Callable[[Office, Clock], object]) -> None:
    async with office(answer) as desk, opened(desk, SystemClock()) as reviewer:  # type: ignore[attr-defined]  # either
        with pytest.raises(ReviewError):
            await reviewer.review("Text.", "")


def test_who_stays_silent_is_not_waited_for() -> None:
    async def main(clock: VirtualClock) -> float:
        async with office(b"", limit=0) as desk, hook(desk, clock) as reviewer:
            with pytest.raises(ReviewError, match="no answer within 3 s"):
                await reviewer.review("Text.", "")
        return clock.monotonic()

    assert run_virtual(main) == pytest.approx(3.0)


async def test_nobody_there_is_an_error() -> None:
    async with office(b"") as desk:
        pass
    async with hook(desk, SystemClock()) as reviewer:
        with pytest.raises(ReviewError, match="no answer: ConnectError"):
            await reviewer.review("Text.", "")


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/"])
def test_a_hook_does_not_reach_into_a_private_network_unasked(url: str) -> None:
    with pytest.raises(SetupError, match=r"moderation\.hook: .* is not a public address"):
        HookReviewer(HookScript(url=url), clock=SystemClock())


async def test_a_scenarios_reviewers_are_opened_in_order_and_closed() -> None:
    models = {"guard": ModelScript(name="guard", provider="openai", base_url="http://127.0.0.1:9/v1", model="omni")}
    moderation = Moderation(provider="guard", hook=HookScript(url="http://127.0.0.1:9/"))

    async with open_reviewers(moderation, models, clock=SystemClock()) as reviewers:
        assert [reviewer.by for reviewer in reviewers] == ["provider", "hook"]
    with pytest.raises(RuntimeError, match="closed"):
        await reviewers[0].review("Text.", "")
