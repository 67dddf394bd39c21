"""Tokens that let somebody in: what one says, how it is signed, and what makes a stage refuse it.

A token is a JSON Web Token, signed with HS256 and a key that only the stage's operator has. Nothing about it is stored:
whoever has the key can make one, and taking the key away makes all of its tokens worthless.

PyJWT is imported when the first token is seen: a stage that asks for none, as on one's own machine, starts without it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast, get_args

from debate_caster.clock import Clock

__all__ = ["Role", "Token", "TokenDesk", "TokenRefusedError"]

Role = Literal["agent", "producer", "viewer", "session"]
"""A ``viewer`` has a ticket, to be used once; a ``session`` is what it becomes, and is made by a stage alone."""

ALGORITHM = "HS256"
"""The only one: what a token says of its own algorithm is never believed."""

ISSUER = "debate-caster"
AUDIENCE = "debate-caster-stage"

SHORTEST_KEY = 32
"""Characters; a key as short as a word is guessed offline from one token. HS256 asks for 32 bytes (RFC 7518, 3.2)."""

LONGEST_TOKEN = 2048
"""Characters; ours have some 350."""

LONGEST_LIFE = timedelta(days=366)

CLOCKS_APART_S = 60
"""How far the clock of the machine that made a token may be ahead of ours. An expired one is expired all the same."""


class TokenRefusedError(Exception):
    """The token does not let its bearer in. The message says why, and holds nothing of the token."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says that was believed. ``expires_at`` is in seconds since 1970; empty strings are "any"."""

    id: str
    role: Role
    expires_at: int
    show: str = ""
    agent: str = ""


class TokenDesk:
    """Makes tokens with the first of ``keys``, and takes those of any: so keys are changed without a gap.

    Raises:
        ValueError: There is no key, or one has fewer than 32 characters.
    """

    def __init__(self, keys: Sequence[str], *, clock: Clock) -> None:
        if not keys or any(len(key) < SHORTEST_KEY for key in keys):
            raise ValueError(f"a signing key has at least {SHORTEST_KEY} characters")
        self._keys = {_name_of(key): key for key in keys}
        self._first = _name_of(keys[0])
        self._clock = clock

    def issue(self, role: Role, *, lasting: timedelta, show: str = "", agent: str = "") -> str:
        """Return a new token.

        Raises:
            ValueError: It would last no time at all, or more than a year.
        """
        if not timedelta(0) < lasting <= LONGEST_LIFE:
            raise ValueError("a token lasts up to a year")
        import jwt

        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + max(int(lasting.total_seconds()), 1),
            "jti": secrets.token_hex(8),
            "role": role,
        }
        claims |= {name: value for name, value in (("show", show), ("agent", agent)) if value}
        return jwt.encode(claims, self._keys[self._first], algorithm=ALGORITHM, headers={"kid": self._first})

    def check(self, raw: str, *, role: Role) -> Token:
        """Return what the token says, where it is ours, is valid now and gives this role.

        Raises:
            TokenRefusedError: It is not, for the reason given.
        """
        claims = self._verified(raw)
        token = _read(claims)
        now = self._clock.now().timestamp()
        if token.expires_at <= now:
            raise TokenRefusedError("the token has expired")
        if claims["nbf"] > now + CLOCKS_APART_S:
            raise TokenRefusedError("the token is not valid yet")
        if token.role != role:
            raise TokenRefusedError(f"the token is a {token.role}'s, not a {role}'s")
        return token

    def _verified(self, raw: str) -> dict[str, Any]:
        import jwt

        if len(raw) > LONGEST_TOKEN or not raw.isascii():
            raise TokenRefusedError("that is no token")
        try:
            key = self._keys.get(jwt.get_unverified_header(raw).get("kid", ""))
            if key is None:
                raise TokenRefusedError("the token was not made with this stage's key")
            # Times are checked against our own clock, and by nobody else.
            options: Any = {
                "require": ["iss", "aud", "iat", "nbf", "exp", "jti", "role"],
                "strict_aud": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            }
            return jwt.decode(raw, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options)
        except jwt.InvalidSignatureError as exc:
            raise TokenRefusedError("the token was not made with this stage's key") from exc
        except (jwt.PyJWTError, RecursionError, TypeError, ValueError) as exc:
            raise TokenRefusedError("the token is not one of this stage's") from exc


def _read(claims: dict[str, Any]) -> Token:
    """Take the claims apart; a key that is ours may still have signed somebody else's idea of a token."""
    texts = {name: claims.get(name, "") for name in ("jti", "role", "show", "agent")}
    times = [claims["exp"], claims["nbf"]]
    if not all(isinstance(text, str) for text in texts.values()) or texts["role"] not in get_args(Role):
        raise TokenRefusedError("the token is not one of this stage's")
    if any(not isinstance(time, int) or isinstance(time, bool) for time in times):
        raise TokenRefusedError("the token is not one of this stage's")
    return Token(texts["jti"], cast(Role, texts["role"]), claims["exp"], texts["show"], texts["agent"])


def _name_of(key: str) -> str:
    """Return what tokens call the key by; it gives nothing of the key away."""
    return hashlib.sha256(f"debate-caster key {key}".encode()).hexdigest()[:16]
