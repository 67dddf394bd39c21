"""One attempt to tell one receiver by HTTP: the request, signed, and what its answer means.

Goes where a model's requests may go and nowhere else, follows no redirect, and reads nothing of an answer but its head.
"""

import asyncio
from dataclasses import dataclass

import httpx2

from debate_caster.announce.messages import body_of
from debate_caster.announce.notices import Notice
from debate_caster.clock import Clock
from debate_caster.errors import SetupError
from debate_caster.llm.completions import read_retry_after
from debate_caster.llm.destinations import ForbiddenAddressError, NoCertificatesError, checked_client
from debate_caster.scenario.script import AnnounceScript
from debate_caster.signatures import SIGNATURE_HEADER, signature
from debate_caster.version import __version__

__all__ = ["ID_HEADER", "POST_TIMEOUT_S", "Answer", "Postman"]

ID_HEADER = "Debate-Caster-Id"

POST_TIMEOUT_S = 10.0
"""How long an attempt may take; who answers a webhook does so at once, and does its work later."""

LONGEST_RETRY_AFTER_S = 3600.0

_PASSING = frozenset({408, 409, 421, 423, 425, 429})
"""Refusals that may be none later; any other below 500 is final."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt. ``problem`` is empty where the receiver took it; it names no address."""

    problem: str = ""
    final: bool = False
    retry_after_s: float = 0.0


class Postman:
    """Delivers to one receiver. Nothing is connected before the first attempt."""

    def __init__(self, script: AnnounceScript, *, clock: Clock) -> None:
        self._script, self._clock = script, clock
        self._client: httpx2.AsyncClient | None = None

    async def deliver(self, notice: Notice) -> Answer:
        """Tell the receiver. Nothing is raised: an answer says what went wrong."""
        try:
            async with self._clock.timeout(POST_TIMEOUT_S):
                return await self._post(notice)
        except TimeoutError:
            return Answer(f"no answer within {POST_TIMEOUT_S:g} s")
        except SetupError as exc:
            return Answer(str(exc), final=not isinstance(exc, NoCertificatesError))
        except ForbiddenAddressError as exc:
            return Answer(str(exc), final=True)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            return Answer("its address is none", final=True)
        except (httpx2.HTTPError, OSError) as exc:
            return Answer(f"no answer: {type(exc).__name__}")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, notice: Notice) -> Answer:
        url = self._script.address
        if self._client is None:
            # In a thread: who first prepares TLS reads the certificates, for which the event loop has no time.
            self._client = await asyncio.to_thread(
                checked_client,
                url,
                name="announce.url",
                timeout_s=POST_TIMEOUT_S,
                allow_private=self._script.allow_private,
            )
        body = body_of(notice, self._script.format)
        async with self._client.stream("POST", url, content=body, headers=self._headers(notice, body)) as response:
            return self._meaning(response)

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"debate-caster/{__version__}",
            ID_HEADER: notice.id,
        }
        if self._script.secret is not None:
            secret = self._script.secret.get_secret_value().encode()
            headers[SIGNATURE_HEADER] = signature(secret, body, self._clock.now())
        return headers

    def _meaning(self, response: httpx2.Response) -> Answer:
        status = response.status_code
        if 200 <= status < 300:
            return Answer()
        if 300 <= status < 400:
            return Answer(f"status {status}: redirects are not followed", final=True)
        final = status < 500 and status not in _PASSING
        wait_s = read_retry_after(response.headers, self._clock.now()) or 0.0
        return Answer(f"status {status}", final=final, retry_after_s=min(wait_s, LONGEST_RETRY_AFTER_S))
