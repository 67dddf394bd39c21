"""Frames: JSON text to and from ``type`` and ``body``, in each of the shapes that are spoken.

Knows nothing about what a message means. What comes in is from a stranger: whatever it is, it becomes a ``Frame`` or a
``ProtocolError``, and every string in a ``Frame`` has a UTF-8 form.
"""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from debate_caster.errors import ProtocolError
from debate_caster.pulsar.text import without_surrogates

__all__ = ["MAX_FRAME_BYTES", "Frame", "FrameError", "Shape", "decode_frame", "encode_frame"]

MAX_FRAME_BYTES = 2 * 1024 * 1024
"""Longest frame taken unless the caller says less: what v2 itself takes and may relay."""

_MAX_DEPTH = 32
_DIGITS = 300
_RESERVED = frozenset({"type", "ts", "payload"})


class Shape(StrEnum):
    """Where a message keeps its fields.

    ``FLAT``: beside ``type``, as published. ``PAYLOAD``: in an object called ``payload``, as the real servers want it.
    ``HYBRID``: in both places; understood by everybody, twice as long. Nobody answers in it.
    """

    FLAT = "flat"
    PAYLOAD = "payload"
    HYBRID = "hybrid"


class FrameError(ProtocolError):
    """A frame that is not a message. ``code`` is the word a Pulsar server puts into its ``error`` reply."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__("pulsar", detail)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A message of either side, whatever its shape was: ``body`` has its fields, without ``type`` and ``ts``."""

    type: str
    shape: Shape
    body: dict[str, Any]


def decode_frame(raw: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> Frame:
    """Return the message in ``raw``. Hybrid frames count as ``PAYLOAD``; unknown types are as good as known ones.

    Raises:
        FrameError: Too big, not UTF-8, not JSON (``NaN`` is not), not an object, nested too deep, or without a type.
    """
    size = len(raw) if isinstance(raw, bytes) or len(raw) > max_bytes else len(raw.encode("utf-8", "replace"))
    if size > max_bytes:
        raise FrameError("PARSE_ERROR", f"frame of {size} bytes, {max_bytes} allowed")
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        message = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
        if _may_hold_surrogates(text):
            message = _clean(message)
        else:
            _check_depth(message)
    except FrameError:
        raise
    except (ValueError, RecursionError) as exc:  # JSONDecodeError, UnicodeDecodeError, integers without end
        raise FrameError("PARSE_ERROR", f"not JSON: {type(exc).__name__}") from exc
    if not isinstance(message, dict):
        raise FrameError("PARSE_ERROR", "not a JSON object")
    kind = message.get("type")
    if not isinstance(kind, str) or not kind:
        raise FrameError("PARSE_ERROR", "no type")
    payload = message.get("payload")
    if isinstance(payload, dict):
        return Frame(kind, Shape.PAYLOAD, payload)
    return Frame(kind, Shape.FLAT, {key: value for key, value in message.items() if key not in _RESERVED})


def encode_frame(shape: Shape, type_: str, body: dict[str, Any], *, ts: int | None = None) -> str:
    """Return the frame as JSON text. ``ts`` is in milliseconds since 1970, left out when None.

    Raises:
        ValueError: ``body`` has a field that the flat shape could not hold (``type``, ``ts``, ``payload``), or a NaN.
    """
    if _RESERVED & body.keys():
        raise ValueError(f"a body cannot have {sorted(_RESERVED & body.keys())}")
    message: dict[str, Any] = {"type": type_}
    if ts is not None:
        message["ts"] = ts
    if shape is not Shape.PAYLOAD:
        message |= body
    if shape is not Shape.FLAT:
        message["payload"] = body
    return without_surrogates(json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None  # 1e400 is JSON, but no number of ours


def _whole(number: str) -> int:
    if len(number) > _DIGITS:
        raise ValueError("a whole number that no float could hold")
    return int(number)


def _may_hold_surrogates(text: str) -> bool:
    """Say whether a string in this JSON may have one: only an escape makes it, unless it stands there as such."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return "\\ud" in text or "\\uD" in text


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [item for container in level if isinstance(container, list | dict)
                 for item in (container.values() if isinstance(container, dict) else container)]  # fmt: skip
        if not level:
            return
    raise FrameError("PARSE_ERROR", f"nested deeper than {_MAX_DEPTH}")


def _clean(value: Any, depth: int = 0) -> Any:
    """Return the value with lone surrogates replaced everywhere, keys included."""
    if depth > _MAX_DEPTH:
        raise FrameError("PARSE_ERROR", f"nested deeper than {_MAX_DEPTH}")
    match value:
        case str():
            return without_surrogates(value)
        case dict():
            return {without_surrogates(key): _clean(item, depth + 1) for key, item in value.items()}
        case list():
            return [_clean(item, depth + 1) for item in value]
        case _:
            return value
