"""What a chat-completions server says, read tolerantly: JSON in, deltas and errors out. No network here.

Servers that call themselves OpenAI-compatible differ in every corner: choices may be missing, null or empty, content
may be null or a list, reasoning has three names, errors have three shapes. Whatever arrives, only ``ModelError`` is
raised.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from debate_caster.errors import ModelError
from debate_caster.llm.conversation import (
    Delta,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)

__all__ = ["ReplyReader", "embedded_error", "peer_error", "read_retry_after"]

DETAIL_CHARS = 300
"""Longest part of a peer's message that we pass on; some servers answer with a whole HTML page."""

MAX_COUNT = 10**9
"""No call has more tokens than this; a larger count is taken for nonsense and not reported."""

_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""vLLM has used the first two, Ollama and OpenRouter the second; of two at once the first counts."""

_SECRET_LIKE = re.compile(r"\b(?:sk|pk|rk|key|gsk|xai)[-_][\w*.-]{6,}|\bBearer\s+\S+", re.IGNORECASE)


class ReplyReader:
    """Reads one reply, chunk by chunk, and knows at its end whether it is whole."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._reason: str | None = None
        self._calls: dict[int, str] = {}
        self._chunks = 0

    @property
    def finished(self) -> bool:
        """Whether the model has said that its reply is over; nothing that follows can unmake it."""
        return self._reason is not None

    def receive(self, chunk: object) -> list[Delta]:
        """Return the deltas of one chunk, in order; usage may come in any chunk, before or after the end.

        Raises:
            ModelError: The chunk is an error, a refusal, or a filtered end; never once the reply is finished.
        """
        self._chunks += 1
        if not self.finished and (failure := embedded_error(chunk)) is not None:
            raise peer_error(self._model, failure)
        if not isinstance(chunk, Mapping):
            return []
        deltas: list[Delta] = []
        if not self.finished:
            for choice in _first_choices(chunk):
                deltas.extend(self._read_choice(choice))
        if (usage := _read_usage(chunk.get("usage"))) is not None:
            deltas.append(usage)
        return deltas

    def end(self) -> Finished:
        """Return how the reply ended.

        Raises:
            ModelError: It only stopped: ``truncated``, or ``malformed`` where nothing at all had come.
        """
        match self._reason:
            case "stop":
                return Finished("stop")
            case "length":
                return Finished("length")
            case "tool_calls" | "function_call" if self._calls:
                return Finished("stop")
            case None if not self._chunks:
                raise ModelError(self._model, "malformed", "the answer held no event at all", retryable=True)
            case None:
                raise ModelError(self._model, "truncated", "the reply ended without a finish_reason", retryable=True)
            case other:
                detail = f"the reply ended with finish_reason {_shortened(other)!r}"
                raise ModelError(self._model, "truncated", detail, retryable=True)

    def _read_choice(self, choice: Mapping[str, object]) -> Iterator[Delta]:
        if choice.get("error"):
            raise peer_error(self._model, choice["error"])
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            delta = choice.get("message")  # a server that does not stream answers with one whole message
        if isinstance(delta, Mapping):
            yield from self._read_delta(delta)
        reason = choice.get("finish_reason")
        if reason == "content_filter":
            raise ModelError(self._model, "filtered", "the provider's content filter cut the reply", retryable=False)
        if isinstance(reason, str) and reason:  # "" is what old Ollama sends in each chunk
            self._reason = reason

    def _read_delta(self, delta: Mapping[str, object]) -> Iterator[Delta]:
        for field in _REASONING_FIELDS:
            if isinstance(thought := delta.get(field), str) and thought:
                yield ReasoningDelta(thought)
                break
        yield from _read_content(delta.get("content"))
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            raise ModelError(self._model, "filtered", f"the model declined: {_shortened(refusal)}", retryable=False)
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, Mapping):
                yield self._read_call(place, call)

    def _read_call(self, place: int, call: Mapping[str, object]) -> ToolCallDelta:
        """Only a call's first fragment carries its id; the others name it by ``index``."""
        index = call.get("index")
        index = index if isinstance(index, int) else place
        if isinstance(call_id := call.get("id"), str) and call_id:
            self._calls[index] = call_id
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        return ToolCallDelta(
            call_id=self._calls.setdefault(index, f"call-{index}"),
            name=_text(function.get("name")),
            arguments=_text(function.get("arguments")),
        )


def embedded_error(payload: object) -> object | None:
    """Return the error that a server put into a successful answer, in any of the three shapes, or None.

    ``{"error": …}`` is OpenAI's and OpenRouter's, ``{"object": "error", …}`` is vLLM's, ``{"type": "error", …}`` comes
    from gateways.
    """
    if not isinstance(payload, Mapping):
        return None
    if payload.get("error"):
        failure: object = payload["error"]
        return failure
    if payload.get("object") == "error" or payload.get("type") == "error":
        return payload
    return None


def peer_error(
    model: str, body: object, *, status: int | None = None, retry_after_s: float | None = None, secret: str = ""
) -> ModelError:
    """Say what a peer's error means to us, from its HTTP status and what its body says.

    ``secret`` never appears in the result, nor does anything that looks like a key.
    """
    facts: Mapping[str, object] = {}
    if isinstance(body, Mapping):
        inner = body.get("error")
        facts = inner if isinstance(inner, Mapping) else body
    message = _message(facts, body)
    words = f"{_text(facts.get('code'))} {_text(facts.get('type'))}".casefold()
    if status is None or status < 300:
        status = _status_in(facts)
    kind, retryable = _judge(status, words, message.casefold())
    detail = _shortened(message.replace(secret, "[key]") if secret else message) or "no reason given"
    if status is not None:
        detail = f"status {status}: {detail}"
    return ModelError(model, kind, detail, retryable=retryable, retry_after_s=retry_after_s if retryable else None)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return what ``Retry-After`` asks for, in seconds from now and never negative; None for none, or for garbage.

    A date counts from the server's own ``Date`` where it gives one, so that clocks that differ do no harm.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    until = _read_date(headers.get("retry-after", ""))
    if until is None:
        return None
    return max((until - (_read_date(headers.get("date", "")) or now)).total_seconds(), 0.0)


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _judge(status: int | None, words: str, message: str) -> tuple[str, bool]:
    """Return kind and retryable. Words come before the status: a quota that is used up also answers 429."""
    if "quota" in words or "billing" in words:
        return "refused", False
    if any(word in words for word in ("content_filter", "content_policy", "moderation")):
        return "filtered", False
    if status == 429 or "rate_limit" in words or "ratelimit" in words:
        return "rate_limited", True
    if status is not None:
        if status in {408, 409, 425} or (status >= 500 and status not in {501, 505}):
            return "provider", True
        return "refused", False
    hopeless = ("invalid", "badrequest", "bad_request", "auth", "permission", "not_found", "notfound", "context_length")
    if any(word in words for word in hopeless) or "context length" in message:
        return "refused", False
    return "provider", True


def _status_in(facts: Mapping[str, object]) -> int | None:
    """Return the HTTP status that an error event carries: a number in ``code`` or ``status``, maybe as text."""
    for field in ("code", "status", "status_code"):
        value = facts.get(field)
        if isinstance(value, str) and re.fullmatch(r"[1-5]\d\d", value):
            return int(value)
        if isinstance(value, int) and 300 <= value < 600:
            return value
    return None


def _message(facts: Mapping[str, object], body: object) -> str:
    for field in ("message", "detail", "error"):
        value = facts.get(field)
        if value:
            return value if isinstance(value, str) else repr(value)
    return body if isinstance(body, str) else ""


def _shortened(text: str) -> str:
    """Return one printable line without anything that looks like a key."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * DETAIL_CHARS]).split())
    line = _SECRET_LIKE.sub("[key]", line)
    return line if len(line) <= DETAIL_CHARS else line[: DETAIL_CHARS - 1] + "…"


def _first_choices(chunk: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the choices with index 0; we ask for one, and some servers send others all the same."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            yield choice


def _read_content(content: object) -> Iterator[Delta]:
    """Text, or a list of parts, in which Mistral sends text and thinking."""
    if isinstance(content, str):
        if content:
            yield TextDelta(content)
        return
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str) and part:
            yield TextDelta(part)
        elif isinstance(part, Mapping):
            if isinstance(text := part.get("text"), str) and text:
                yield TextDelta(text)
            thinking = part.get("thinking")
            for thought in _read_content(thinking):
                if isinstance(thought, TextDelta):
                    yield ReasoningDelta(thought.text)


def _read_usage(usage: object) -> UsageReported | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None and completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    cost = usage.get("cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not math.isfinite(cost) or cost < 0:
        cost = None
    return UsageReported(
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        cached_tokens=cached or 0,
        cost=None if cost is None else float(cost),
    )


def _count(value: object) -> int | None:
    """Return a number of tokens; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return None
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
