"""Asking a server whether it is there, without asking a model for anything: one GET, which costs nothing.

Goes where a show would go and nowhere else: the same guard against private addresses, no redirects, the same proxies.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
from pydantic import SecretStr

from debate_caster.clock import Clock
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm.destinations import ForbiddenAddressError, checked_client

__all__ = ["Answer", "ask_for_models", "ask_for_sign_of_life"]

MAX_LIST_BYTES = 8 * 1024 * 1024
"""Longest list of models that is read; that of OpenRouter, the longest known, has less than 1 MB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    ``models`` are the names it knows, None where it does not say; ``ahead_s`` is by how much its clock is ahead of
    ours, in seconds, None where it shows none.
    """

    status: int
    models: frozenset[str] | None = None
    ahead_s: float | None = None


async def ask_for_models(
    base_url: str, *, name: str, api_key: SecretStr | None, allow_private: bool, clock: Clock, timeout_s: float
) -> Answer:
    """Ask an OpenAI-compatible server which models it has, which tells whether it takes the key as well.

    ``name`` is what errors call the server.

    Raises:
        SetupError: The address is none, or may not be gone to.
        ModelError: There is no answer.
    """
    headers = {"Authorization": f"Bearer {api_key.get_secret_value()}"} if api_key is not None else {}
    url = f"{base_url.rstrip('/')}/models"
    async with _asked(url, headers, name, allow_private=allow_private, clock=clock, timeout_s=timeout_s) as response:
        raw = b""
        if response.status_code == 200:
            async for block in response.aiter_bytes():
                raw += block
                if len(raw) > MAX_LIST_BYTES:
                    raw = b""
                    break
        return Answer(response.status_code, _names(raw), _ahead_s(response, clock))


async def ask_for_sign_of_life(url: str, *, name: str, allow_private: bool, clock: Clock, timeout_s: float) -> Answer:
    """Ask whatever is at an address for anything at all; raises as ``ask_for_models`` does."""
    async with _asked(url, {}, name, allow_private=allow_private, clock=clock, timeout_s=timeout_s) as response:
        return Answer(response.status_code, None, _ahead_s(response, clock))


@asynccontextmanager
async def _asked(
    url: str, headers: dict[str, str], name: str, *, allow_private: bool, clock: Clock, timeout_s: float
) -> AsyncGenerator[httpx2.Response]:
    client = checked_client(url, name=name, timeout_s=timeout_s, allow_private=allow_private, has_key=bool(headers))
    try:
        async with (
            clock.timeout(timeout_s),
            client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity", **headers}) as response,
        ):
            yield response
    except ForbiddenAddressError as exc:
        raise SetupError(f"{name}: {exc.objection.problem}", exc.objection.cure) from exc
    except (TimeoutError, httpx2.TimeoutException) as exc:
        raise ModelError(name, "silent", f"no answer within {timeout_s:g} s", retryable=True) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
        raise ModelError(name, "connect", str(exc) or type(exc).__name__, retryable=True) from exc


def _names(raw: bytes) -> frozenset[str] | None:
    """Return the names in a list of models, None where it is none; an empty list tells nothing either."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return None
    names = (entry.get("id") for entry in entries if isinstance(entry, dict))
    return frozenset(name for name in names if isinstance(name, str)) or None


def _ahead_s(response: httpx2.Response, clock: Clock) -> float | None:
    """Return by how much the server's clock is ahead; of an answer that was stored on the way nothing can be said."""
    if "age" in response.headers:
        return None
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return ((date if date.tzinfo is not None else date.replace(tzinfo=UTC)) - clock.now()).total_seconds()
