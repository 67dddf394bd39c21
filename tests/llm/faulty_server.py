"""A loopback HTTP server that speaks the OpenAI chat-completions API, with a fault on demand for each call.

Use it as ``async with FaultyServer() as server``, point a model at ``server.base_url`` and queue what each call shall
get with ``server.plan(Reply(...), ...)``; a call with nothing queued gets ``server.default``, or what ``server.answer``
makes of the request. It records every request (``server.requests``) and every early hang-up (``server.hangups``). Times
are the event loop's, so it works in virtual time.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

__all__ = ["FAULTS", "Fault", "FaultyServer", "Received", "Reply"]

Fault = Literal[
    "",
    "broken_json",
    "comments",
    "comments_after",
    "content_filter",
    "content_list",
    "cut",
    "document",
    "error_event",
    "garbage",
    "huge_delta",
    "no_done",
    "no_goodbye",
    "odd_choices",
    "options_refused",
    "reasoning",
    "refusal",
    "role_only",
    "silent",
    "split_utf8",
    "stalled",
    "status",
    "think_tags",
    "truncated",
    "unknown_finish",
    "vllm_error",
]
FAULTS: tuple[Fault, ...] = Fault.__args__  # type: ignore[attr-defined]  # typing keeps a Literal's values there

SPEECH = "Cities are for people, not for parking. Try a week without cars and listen. Das klingt schön, oder? 👩‍🚀🎉"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call gets.

    ``after`` is the number of words sent before the fault bites; ``token_s`` the pause before each word; ``status``,
    ``headers`` and ``body`` belong to the fault ``status``; ``refuses`` are the options ``options_refused`` objects to.
    """

    text: str = SPEECH
    fault: Fault = ""
    after: int = 2
    first_token_s: float = 0.0
    token_s: float = 0.0
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    reasoning_field: str = "reasoning_content"
    reasoning: str = "The secret plan is to sound calm."
    refuses: tuple[str, ...] = ("stream_options",)
    finish_reason: str | None = "stop"
    usage: bool = True


@dataclass(slots=True)
class Received:
    """One request as it came, and what became of it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    hung_up: bool = False
    words_sent: int = 0


@dataclass(slots=True)
class FaultyServer:
    """See the module. ``latency_s`` passes before each answer begins; ``forgets`` says that no request is kept."""

    default: Reply = field(default_factory=Reply)
    latency_s: float = 0.0
    forgets: bool = False
    requests: list[Received] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hangups: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    answer: Callable[[Received], Reply] | None = None
    _queue: deque[Reply] = field(default_factory=deque)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def plan(self, *replies: Reply) -> None:
        self._queue.extend(replies)

    @property
    def base_url(self) -> str:
        assert self._server is not None, "enter the server first"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (received := await _read_request(reader)) is not None:
                if not self.forgets:
                    self.requests.append(received)
                self.asked.set()
                if not await self._answer_unless_hung_up(received, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def _answer_unless_hung_up(
        self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer; stop at once when the peer hangs up. Return whether the connection can take another request."""
        if self.answer is not None:
            reply = self.answer(received)
        else:
            reply = self._queue.popleft() if self._queue else self.default
        answering = asyncio.ensure_future(self._answer(received, reply, writer))
        listening = asyncio.ensure_future(reader.read(1))  # our peers send nothing more before they have an answer
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result() and not listening.done()
            received.hung_up = True
            self.hangups.set()
            return False
        finally:
            for task in (answering, listening):
                task.cancel()
            await asyncio.wait({answering, listening})
            for task in (answering, listening):
                if not task.cancelled():
                    task.exception()

    async def _answer(self, received: Received, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.latency_s)
        if reply.fault == "silent":
            await asyncio.Event().wait()
        if reply.fault == "options_refused" and (refused := [name for name in reply.refuses if name in received.body]):
            error = {
                "message": f"Unrecognized request argument supplied: {refused[0]}",
                "type": "invalid_request_error",
            }
            return await _send_document(writer, 400, {"error": error})
        if reply.fault == "status":
            return await _send_document(writer, reply.status, reply.body, reply.headers)
        if reply.fault == "document":
            choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}
            return await _send_document(writer, 200, reply.body or {"object": "chat.completion", "choices": [choice]})
        if reply.fault == "garbage":
            writer.write(b"\x00\x01 this is not HTTP\r\n\r\n")
            await writer.drain()
            return False
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\nX-Request-Id: req-faulty-1\r\n\r\n"
        )
        send = _chunked(writer)
        async with aclosing(_events(received, reply)) as events:
            async for event in events:
                await send(event)
        if reply.fault == "cut":
            writer.transport.abort()
            return False
        if reply.fault == "no_goodbye":
            await asyncio.Event().wait()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _chunked(writer: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
    async def send(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()

    return send


async def _send_document(
    writer: asyncio.StreamWriter, status: int, body: Any, headers: tuple[tuple[str, str], ...] = ()
) -> bool:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, str) else "application/json"
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", f"Content-Length: {len(raw)}"]
    lines += ["X-Request-Id: req-faulty-2", *(f"{name}: {value}" for name, value in headers)]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + raw)
    await writer.drain()
    return True


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    request_line, *header_lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in header_lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(path=request_line.split(" ")[1], headers=headers, body=json.loads(raw or b"{}"))


def _event(payload: Any) -> bytes:
    return b"data: " + (payload if isinstance(payload, bytes) else json.dumps(payload).encode()) + b"\n\n"


def _chunk(delta: dict[str, Any], *, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
    }


def _words(text: str) -> list[str]:
    """Text in pieces as a model would send it; joined they are the text."""
    words = text.split(" ")
    return [*(word + " " for word in words[:-1]), words[-1]]


async def _events(received: Received, reply: Reply) -> AsyncGenerator[bytes]:
    """What goes over the wire for this reply, event by event; returning ends the body."""
    await asyncio.sleep(reply.first_token_s)
    if reply.fault == "comments":
        async for comment in _comments():
            yield comment
    words = _words(reply.text)
    async for event in _before_words(reply):
        yield event
    for count, word in enumerate(words):
        if count == reply.after and reply.fault not in {"", "truncated"}:
            fault = _fault_event(reply)
            if fault is not None:
                yield fault
            if reply.fault == "stalled":
                await asyncio.Event().wait()
            if reply.fault == "comments_after":
                async for comment in _comments():
                    yield comment
            if reply.fault in {"cut", "content_filter", "refusal", "unknown_finish"}:
                return
        if count == reply.after and reply.fault == "truncated":
            return
        await asyncio.sleep(reply.token_s)
        if reply.fault == "split_utf8":
            raw = _event(json.dumps(_chunk({"content": word}), ensure_ascii=False).encode())
            for place in range(len(raw)):
                yield raw[place : place + 1]
        elif reply.fault == "content_list":
            yield _event(_chunk({"content": [{"type": "text", "text": word}]}))
        elif reply.fault == "role_only":
            yield _event(_chunk({"content": word}, finish=""))
        else:
            yield _event(_chunk({"content": word}))
        received.words_sent += 1
    yield _event(_chunk({}, finish=reply.finish_reason))
    if reply.fault == "no_goodbye":
        return
    if reply.usage:
        usage = {"prompt_tokens": 120, "completion_tokens": len(words), "prompt_tokens_details": {"cached_tokens": 64}}
        yield _event({"choices": [], "usage": usage})
    if reply.fault != "no_done":
        yield _event(b"[DONE]")


async def _comments() -> AsyncGenerator[bytes]:
    while True:
        yield b": keep-alive\n\n"
        await asyncio.sleep(0.4)


async def _before_words(reply: Reply) -> AsyncGenerator[bytes]:
    match reply.fault:
        case "role_only":
            yield _event(_chunk({"role": "assistant", "content": ""}, finish=""))
            yield _event(_chunk({"content": None}))
            yield _event(_chunk({"content": ""}))
        case "reasoning":
            for word in _words(reply.reasoning):
                yield _event(_chunk({"content": None, reply.reasoning_field: word}))
        case "think_tags":
            for char in f"<think>{reply.reasoning}</think>\n\n":
                yield _event(_chunk({"content": char}))
        case "huge_delta":
            yield _event(_chunk({"content": "All the words at once. " * 130_000}))
        case "odd_choices":
            odd_ones: tuple[Any, ...] = (
                {},
                {"choices": None},
                {"choices": []},
                {"choices": [None]},
                {"choices": [{}]},
                [],
                7,
                None,
            )
            for odd in odd_ones:
                yield _event(odd)
            yield _event({"choices": [{"index": 0, "delta": None}]})
            yield _event(_chunk({"content": "not mine "}, index=1))
            yield b"event: ping\ndata: {}\n\n"
            yield b": OPENROUTER PROCESSING\n\n"
        case _:
            pass


def _fault_event(reply: Reply) -> bytes | None:
    match reply.fault:
        case "error_event":
            return _event(reply.body or {"error": {"message": "The engine is overloaded", "type": "server_error"}})
        case "vllm_error":
            shape = {"object": "error", "message": "CUDA out of memory", "type": "InternalServerError", "code": 500}
            return _event(reply.body or shape)
        case "broken_json":
            return _event(b'{"choices": [{"index": 0, "delta": {"content": "lost')
        case "content_filter":
            return _event(_chunk({}, finish="content_filter"))
        case "refusal":
            return _event(_chunk({"content": None, "refusal": "I can't help with that."}))
        case "unknown_finish":
            return _event(_chunk({}, finish=reply.finish_reason))
        case _:
            return None
