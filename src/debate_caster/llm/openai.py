"""The edge to any OpenAI-compatible server: one HTTP stream for each reply, through ``openai.AsyncOpenAI``.

The library's own retries are off and its own reading of chunks is not used: ``completions`` reads what arrives, and the
show decides whether to ask again. Importing this module imports ``openai``, which takes its time: see ``workshop``.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import httpx2
import openai
import structlog
from pydantic import SecretStr

from debate_caster.addresses import is_loopback
from debate_caster.clock import Clock
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm.completions import ReplyReader, peer_error, read_retry_after
from debate_caster.llm.conversation import Delta, Request
from debate_caster.llm.destinations import (
    OPENAI_URL,
    ForbiddenAddressError,
    check_destination,
    checked_transport,
    server_of,
    trust_in,
)

__all__ = ["OpenAILLM"]

logger = structlog.get_logger()

CONNECT_TIMEOUT_S = 5.0
"""To a working connection, TLS included, in real seconds whatever the show's speed: the network does not hurry."""

READ_TIMEOUT_S = 300.0
"""Silence on the socket after which it is given up even where nobody wrapped this model in deadlines."""

AFTER_FINISH_S = 2.0
"""How long we wait for the usage and the goodbye of a reply that is already whole."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Longest answer we read. The longest speech with its JSON around each token has less than 2 MiB."""

_OURS = frozenset({"messages", "model", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options"})
"""What a scenario's ``extra`` must not set: the show's budget stands on these."""

_REFUSALS = (
    "unsupported",
    "not support",
    "unknown",
    "unrecognized",
    "unexpected",
    "not permitted",
    "extra",
    "not allowed",
)
_OPTIONAL = ("stream_options", "seed", "temperature", "top_p")


class _BodyTooLongError(httpx2.TransportError):
    """An answer went past ``MAX_BODY_BYTES``."""


class OpenAILLM:
    """A model behind an OpenAI-compatible server.

    Options a server refuses as unknown are left out from then on (and said in the log), since servers differ in which
    they know: a refused request costs nothing and is not an attempt. Redirects are not followed.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        clock: Clock,
        base_url: str = "",
        api_key: SecretStr | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        extra: Mapping[str, object] | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        allow_private: bool = False,
    ) -> None:
        """Prepare a client; nothing is connected yet.

        ``name`` is the scenario's name for the model, ``model`` the server's. ``seed`` is added to each request's.
        Without ``api_key`` no Authorization header is sent, as local servers like it. ``allow_private`` lets the server
        be in a private network; one on this machine needs no leave.

        Raises:
            SetupError: ``base_url`` is no HTTP address or may not be gone to, ``extra`` sets what is the show's, or the
                certificates that this machine trusts can't be read.
        """
        base_url = base_url or OPENAI_URL
        scheme, host = server_of(base_url, name=f"model {name!r}: base_url")
        if not allow_private:
            check_destination(scheme, host, name=f"model {name!r}", has_key=api_key is not None)
        if (reserved := sorted(_OURS & set(extra or {}))) != []:
            cure = "Sampling options belong there; the length of a reply follows from the format's words."
            raise SetupError(f"model {name!r}: extra must not set {', '.join(reserved)}", cure)
        self.name = name
        self._model, self._clock, self._seed = model, clock, seed
        self._secret = api_key.get_secret_value() if api_key is not None else ""
        self._options: dict[str, object] = {"stream_options": {"include_usage": True}}
        self._options |= {} if temperature is None else {"temperature": temperature}
        self._options |= {} if top_p is None else {"top_p": top_p}
        self._extra = dict(extra or {})
        self._refused: set[str] = set()
        # OpenAI's newer models refuse the old name; many other servers ignore the new one, and so the limit.
        self._limit_field = "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"
        self._client = openai.AsyncOpenAI(
            api_key=self._secret or "none",
            admin_api_key="",  # otherwise the library takes one from the environment
            base_url=base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=connect_timeout_s),
                headers={"Accept-Encoding": "identity"},  # compressing servers hold tokens back
                follow_redirects=False,  # a redirect would carry prompts where nobody meant them to go
                trust_env=not is_loopback(host),  # a proxy can't reach our own machine
                verify=trust_in(scheme, host),
                transport=checked_transport(scheme, host, connect_timeout_s) if not allow_private else None,
                event_hooks={"response": [_bound_body]},
            ),
        )
        self._client.organization = self._client.project = None  # the environment's are meant for one provider only

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Ask once; see ``LLM.stream``. Leaving the block closes the HTTP stream at once."""
        return self._reply(request)

    async def close(self) -> None:
        await self._client.close()

    @asynccontextmanager
    async def _reply(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        answer = await self._ask(request)
        try:
            if answer.response.headers.get("content-type", "").startswith("application/json"):
                deltas = self._read_document(answer)
            else:
                deltas = self._read_events(answer)
            async with aclosing(deltas):
                yield deltas
        finally:
            await answer.close()
            # One that is not read to its end holds itself and the library's generators below it;
            # the garbage collector would find them at any time, in any thread.
            if isinstance(reading := answer._iterator, AsyncGenerator):
                await reading.aclose()

    async def _ask(self, request: Request) -> openai.AsyncStream[object]:
        while True:
            body = self._body(request)
            try:
                answer = await self._client.post(
                    "/chat/completions",
                    cast_to=object,  # raw JSON: the library's own models drop what they do not know
                    body=body,
                    options={} if self._secret else {"headers": {"Authorization": openai.Omit()}},
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
            except openai.APIStatusError as exc:
                if self._give_in(exc, body):
                    continue
                error = self._status_error(exc)
                logger.warning(
                    "model_refused_call", model=self.name, status=exc.status_code, request_id=_request_id(exc.response)
                )
                raise error from exc
            except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as exc:
                raise self._transport_error(exc, started=False) from exc
            logger.info("model_answered_call", model=self.name, request_id=_request_id(answer.response))
            return answer

    def _body(self, request: Request) -> dict[str, object]:
        options = dict(self._options)
        if self._seed is not None:
            options["seed"] = (self._seed + request.seed) % 2**31
        options = {name: value for name, value in options.items() if name not in self._refused}
        return {
            **self._extra,
            **options,
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            self._limit_field: request.max_tokens,
        }

    def _give_in(self, exc: openai.APIStatusError, body: Mapping[str, object]) -> bool:
        """Leave out what this server does not know, for good; False where the refusal is about something else."""
        said = str(exc.body or exc.message).casefold()
        if exc.status_code not in {400, 422} or not any(word in said for word in _REFUSALS):
            return False
        option = next((name for name in _OPTIONAL if name in body and name in said), None)
        if option is not None:
            self._refused.add(option)
        elif "max_completion_tokens" in body and "max_completion_tokens" in said and "limit" not in self._refused:
            option, self._limit_field = "max_completion_tokens", "max_tokens"
            self._refused.add("limit")
        elif "max_tokens" in body and "max_tokens" in said and "limit" not in self._refused:
            option, self._limit_field = "max_tokens", "max_completion_tokens"
            self._refused.add("limit")
        else:
            return False
        logger.warning("model_option_left_out", model=self.name, option=option)
        return True

    async def _read_events(self, answer: openai.AsyncStream[object]) -> AsyncGenerator[Delta]:
        reader = ReplyReader(self.name)
        while True:
            try:
                async with self._clock.timeout(AFTER_FINISH_S if reader.finished else None):
                    chunk = await anext(answer)
            except StopAsyncIteration:
                break
            except (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError, RecursionError) as exc:
                if reader.finished:
                    break  # the reply is whole; only the goodbye is missing
                raise self._transport_error(exc, started=True) from exc
            for delta in reader.receive(chunk):
                yield delta
        yield reader.end()

    async def _read_document(self, answer: openai.AsyncStream[object]) -> AsyncGenerator[Delta]:
        """Read the answer of a server that does not stream: one JSON document with the whole reply, or an error."""
        reader = ReplyReader(self.name)
        try:
            await answer.response.aread()
            document: object = answer.response.json()
        except (httpx2.HTTPError, OSError, ValueError, RecursionError) as exc:
            raise self._transport_error(exc, started=True) from exc
        for delta in reader.receive(document):
            yield delta
        yield reader.end()

    def _status_error(self, exc: openai.APIStatusError) -> ModelError:
        wait = read_retry_after(exc.response.headers, self._clock.now())
        return peer_error(self.name, exc.body, status=exc.status_code, retry_after_s=wait, secret=self._secret)

    def _transport_error(self, exc: Exception, *, started: bool) -> ModelError:
        """Say what went wrong below or beside HTTP. The library hides the real cause behind one of two classes."""
        cause = exc.__cause__ or exc
        if isinstance(cause, _BodyTooLongError):
            return ModelError(self.name, "overlong", f"the answer has over {MAX_BODY_BYTES} bytes", retryable=False)
        if isinstance(cause, ForbiddenAddressError):
            return ModelError(self.name, "connect", str(cause), retryable=False)
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError):
            reason = str(cause) or type(cause).__name__
            return ModelError(self.name, "connect", f"no connection: {reason}", retryable=True)
        if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
            return ModelError(self.name, "connect", f"not an address: {cause}", retryable=False)
        if isinstance(exc, openai.APITimeoutError):
            kind = "stalled" if started else "silent"
            return ModelError(self.name, kind, f"nothing came for {READ_TIMEOUT_S:g} s", retryable=True)
        if isinstance(exc, ValueError | RecursionError):
            return ModelError(self.name, "malformed", "the answer is not JSON", retryable=True)
        if isinstance(exc, openai.APIConnectionError | httpx2.HTTPError | OSError):
            reason = str(cause) or type(cause).__name__
            return ModelError(self.name, "cut", f"the connection broke: {reason}", retryable=True)
        if isinstance(exc, openai.APIError):
            return peer_error(self.name, exc.body or exc.message, secret=self._secret)
        return ModelError(self.name, "provider", f"unforeseen {type(exc).__name__}", retryable=False)


async def _bound_body(response: httpx2.Response) -> None:
    """Make an answer end with an error where it goes past ``MAX_BODY_BYTES``, so that no peer fills our memory."""
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_BODY_BYTES
        async for block in self._stream:
            left -= len(block)
            if left < 0:
                raise _BodyTooLongError("answer too long")
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()


def _request_id(response: httpx2.Response) -> str:
    """Return the provider's name for the call, which its support asks for; the only header that reaches a log."""
    value = response.headers.get("x-request-id", "")[:128]
    return value if value.isprintable() else ""
