"""Who is asked by HTTP before a text goes on air: a provider's moderation endpoint, or anybody's hook.

A reviewer gives a reason against a text, or none; whatever is no clear answer raises. What a peer gives as its reason
goes into logs, so that only a plain word or two of it is kept.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.clock import Clock
from debate_caster.errors import ReviewError
from debate_caster.llm.conversation import Reviewer
from debate_caster.llm.destinations import OPENAI_URL, checked_client
from debate_caster.scenario.script import HookScript, ModelScript, Moderation
from debate_caster.signatures import SIGNATURE_HEADER, signature

__all__ = ["HookReviewer", "ProviderReviewer", "open_reviewers"]

PROVIDER_TIMEOUT_S = 5.0
"""Moderation endpoints answer within half a second; a live show can't wait for much more than ten times that."""

CONTEXT_CHARS = 1000
"""So much of what was said before goes along: a sentence may mean little without it."""

MAX_ANSWER_BYTES = 64 * 1024
REASON_CHARS = 60

_PLAIN = regex.compile(r"[^A-Za-z0-9 _/,.:-]+")


@asynccontextmanager
async def open_reviewers(
    moderation: Moderation, models: Mapping[str, ModelScript], *, clock: Clock
) -> AsyncGenerator[Sequence[Reviewer]]:
    """See ``workshop.open_reviewers``, which imports this module where somebody is to be asked."""
    async with AsyncExitStack() as stack:
        reviewers: list[Reviewer] = []
        if moderation.provider is not None:
            provider = ProviderReviewer(models[moderation.provider], clock=clock)
            stack.push_async_callback(provider.close)
            reviewers.append(provider)
        if moderation.hook is not None:
            hook = HookReviewer(moderation.hook, clock=clock)
            stack.push_async_callback(hook.close)
            reviewers.append(hook)
        yield reviewers


class ProviderReviewer:
    """The endpoint ``/moderations`` of an OpenAI-compatible server, asked with the name of a moderation model."""

    by = "provider"

    def __init__(self, script: ModelScript, *, clock: Clock, timeout_s: float = PROVIDER_TIMEOUT_S) -> None:
        secret = script.api_key.get_secret_value() if script.api_key is not None else ""
        base_url = (script.base_url or OPENAI_URL).rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._model = script.model
        self._endpoint = _Endpoint(
            self.by,
            f"{base_url}/moderations",
            clock=clock,
            timeout_s=timeout_s,
            has_key=bool(secret),
            allow_private=script.allow_private,
        )

    async def review(self, text: str, before: str) -> str:
        """Return the categories that the text falls into, empty where it falls into none; see ``ReviewError``."""
        body = json.dumps({"model": self._model, "input": before[-CONTEXT_CHARS:] + text}).encode()
        results = (await self._endpoint.post(body, self._headers)).get("results")
        if not isinstance(results, list) or not results:
            raise ReviewError(self.by, "the answer has no results")
        reasons: list[str] = []
        for result in results:
            flagged = result.get("flagged") if isinstance(result, dict) else None
            if not isinstance(flagged, bool):
                raise ReviewError(self.by, "a result does not say whether the text is flagged")
            if flagged:
                categories = result.get("categories")
                named = categories.items() if isinstance(categories, dict) else ()
                reasons += sorted(str(name) for name, applies in named if applies is True) or ["flagged"]
        return _reason(", ".join(reasons)) if reasons else ""

    async def close(self) -> None:
        await self._endpoint.close()


class HookReviewer:
    """Anybody's endpoint. It gets ``{"text": …, "before": …}`` and says ``{"allow": true}``, or why not."""

    by = "hook"

    def __init__(self, script: HookScript, *, clock: Clock) -> None:
        self._secret = script.secret.get_secret_value().encode() if script.secret is not None else b""
        self._clock = clock
        self._endpoint = _Endpoint(
            self.by,
            script.url,
            clock=clock,
            timeout_s=script.timeout_s,
            has_key=False,
            allow_private=script.allow_private,
        )

    async def review(self, text: str, before: str) -> str:
        """Return the hook's reason against the text, empty where it allows it; see ``ReviewError``."""
        body = json.dumps({"text": text, "before": before[-CONTEXT_CHARS:]}).encode()
        answer = await self._endpoint.post(body, self._signature(body))
        allowed = answer.get("allow")
        if not isinstance(allowed, bool):
            raise ReviewError(self.by, "the answer does not say whether to allow the text")
        return "" if allowed else _reason(answer.get("reason"))

    async def close(self) -> None:
        await self._endpoint.close()

    def _signature(self, body: bytes) -> dict[str, str]:
        """Return the header by which the hook knows who asks, and when."""
        if not self._secret:
            return {}
        return {SIGNATURE_HEADER: signature(self._secret, body, self._clock.now())}


class _Endpoint:
    """One address that gets JSON and answers with a JSON object. Redirects are not followed."""

    def __init__(
        self, by: str, url: str, *, clock: Clock, timeout_s: float, has_key: bool, allow_private: bool
    ) -> None:
        self._by, self._url, self._clock, self._timeout_s = by, url, clock, timeout_s
        self._client = checked_client(
            url, name=f"moderation.{by}", timeout_s=timeout_s, allow_private=allow_private, has_key=has_key
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> dict[str, object]:
        """Return the answer.

        Raises:
            ReviewError: There is none in time, or it is no JSON object with status 200.
        """
        try:
            async with self._clock.timeout(self._timeout_s):
                raw = await self._exchange(body, headers)
            answer = json.loads(raw)
        except TimeoutError as exc:
            raise ReviewError(self._by, f"no answer within {self._timeout_s:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            raise ReviewError(self._by, f"no answer: {type(exc).__name__}") from exc
        except (ValueError, RecursionError) as exc:
            raise ReviewError(self._by, "the answer is not JSON") from exc
        if not isinstance(answer, dict):
            raise ReviewError(self._by, "the answer is no JSON object")
        return answer

    async def close(self) -> None:
        await self._client.aclose()

    async def _exchange(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        async with self._client.stream("POST", self._url, content=body, headers=sent) as response:
            if response.status_code != 200:
                raise ReviewError(self._by, f"status {response.status_code}")
            raw = b""
            async for block in response.aiter_bytes():
                raw += block
                if len(raw) > MAX_ANSWER_BYTES:
                    raise ReviewError(self._by, f"the answer has over {MAX_ANSWER_BYTES} bytes")
            return raw


def _reason(said: object) -> str:
    """Return a peer's reason as a plain word or two, never empty."""
    plain = _PLAIN.sub(" ", said).strip() if isinstance(said, str) else ""
    return plain[:REASON_CHARS].strip() or "refused"
