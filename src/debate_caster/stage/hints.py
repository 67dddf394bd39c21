"""Viewers' hints at the stage: taken in within limits, passed on, and their fates brought back to their authors.

Whether a hint is fit for a prompt is the caster's to judge; here it is only kept small, rare and printable.
"""

import hashlib
import ipaddress
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from debate_caster.clock import Clock
from debate_caster.stage.rates import Rates
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.vocabulary import show_time

__all__ = ["Hint", "HintDesk", "HintRates", "HintRefusedError", "network_of"]

MAX_TEXT = 500
MAX_NAME = 40
MAX_TO = 64
"""Characters. A scenario may allow less, and its caster then declines; no prompt wants more."""

HINTS_KEPT = 2000
"""Hints remembered for each show, so that a flood leaves memory bounded; the oldest go first."""

VIEWER_BURST, VIEWER_PER_S = 3, 1 / 5
ADDRESS_BURST, ADDRESS_PER_S = 20, 2.0
"""A viewer gets three hints at once and one every 5 s; all viewers behind one address ten times as much."""


class HintRefusedError(RefusedError):
    """The stage does not take the hint."""


@dataclass(slots=True)
class Hint:
    """A viewer's hint.

    ``viewer`` is the author's own secret; agents get ``author`` instead, which only tells authors apart. ``used`` says
    that its use is on its way to the air; its fate is known to be that, and told once it is aired.
    """

    id: str
    viewer: str
    name: str
    text: str
    to: str
    at: str
    used: bool = False
    fate: dict[str, Any] = field(default_factory=lambda: {"state": "received"})

    @property
    def decided(self) -> bool:
        return self.fate["state"] in {"used", "declined", "expired"}

    @property
    def author(self) -> str:
        return "v_" + hashlib.sha256(self.viewer.encode()).hexdigest()[:16]

    def for_agent(self) -> dict[str, Any]:
        """Return the hint as ``viewer_context.hints`` carries it."""
        return {
            "id": self.id,
            "viewer": self.author,
            "name": self.name,
            "text": self.text,
            "to": self.to or None,
            "at": self.at,
        }

    def received(self) -> dict[str, Any]:
        return {"type": "hint_received", "hint": self.id, "text": self.text, "to": self.to or None}

    def fate_frame(self) -> dict[str, Any]:
        return {"type": "hint_fate", "hint": self.id, **self.fate}


class HintRates:
    """How often viewers and addresses may give hints, over all shows of a stage."""

    def __init__(self, clock: Clock) -> None:
        self._viewers = Rates(clock, burst=VIEWER_BURST, per_second=VIEWER_PER_S)
        self._addresses = Rates(clock, burst=ADDRESS_BURST, per_second=ADDRESS_PER_S)

    def take(self, viewer: str, address: str) -> float:
        """Count one hint; return 0, or the seconds to wait, in which case nothing was counted."""
        wait_s = max(self._viewers.wait_s(viewer), self._addresses.wait_s(network_of(address)))
        if not wait_s:
            self._viewers.take(viewer)
            self._addresses.take(network_of(address))
        return wait_s


class HintDesk:
    """The hints of one show. Refuses what is too much, remembers what it took, and who is to hear of it."""

    def __init__(self, clock: Clock, rates: HintRates) -> None:
        self._clock, self._rates = clock, rates
        self._hints: OrderedDict[str, Hint] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hints)

    def offer(self, *, viewer: str, address: str, text: object, name: object, to: object) -> Hint:
        """Take in a hint.

        Raises:
            HintRefusedError: It is empty, too long, not text, or comes too soon after others.
        """
        cleaned = printable(text, "text", MAX_TEXT)
        if not cleaned:
            raise HintRefusedError("empty", "There is no text in this hint.")
        called = printable(name, "name", MAX_NAME)
        addressee = printable(to, "to", MAX_TO)
        if wait_s := self._rates.take(viewer, address):
            raise HintRefusedError("too_fast", "Too many hints at once: wait a little.", retry_after=wait_s)
        at = show_time(self._clock.now())
        hint = Hint(f"h_{secrets.token_hex(8)}", viewer, called, cleaned, addressee, at)
        self._hints[hint.id] = hint
        if len(self._hints) > HINTS_KEPT:
            self._hints.popitem(last=False)
        return hint

    def get(self, hint: str) -> Hint | None:
        return self._hints.get(hint)

    def undecided(self) -> list[Hint]:
        """Return the hints whose fate is still open, oldest first."""
        return [hint for hint in self._hints.values() if not hint.decided]

    def of_viewer(self, viewer: str) -> list[Hint]:
        return [hint for hint in self._hints.values() if hint.viewer == viewer]

    def note_use(self, hint: str) -> None:
        """Nothing that is said of the hint from now on changes that it was used."""
        if (known := self._hints.get(hint)) is not None and not known.decided:
            known.used = True

    def decide(self, event: Mapping[str, Any], *, seq: int | None = None) -> Hint | None:
        """Take in a fate; return the hint it changed, None for an unknown one and for news of a decided one."""
        hint = self._hints.get(str(event.get("hint")))
        if hint is None or hint.decided or (hint.used and event["type"] != "hint_used"):
            return None
        match event["type"]:
            case "hint_held":
                hint.fate = {"state": "waiting", "to": event.get("to") or None}
            case "hint_accepted":
                hint.fate = {"state": "queued", "to": event.get("to") or None}
            case "hint_declined":
                hint.fate = {"state": "declined", "reason": event.get("reason", "")}
            case "hint_expired":
                hint.fate = {"state": "expired", "reason": event.get("reason", "")}
            case "hint_used":
                hint.fate = {"state": "used", "turn": event.get("turn"), "speaker": event.get("speaker"), "seq": seq}
            case _:
                return None
        return hint


def printable(value: object, what: str, limit: int) -> str:
    """Return text without control, format and unassigned characters, runs of space as one.

    Joiners stay, since scripts and emoji need them.

    Raises:
        HintRefusedError: It is not text, or longer than ``limit`` characters.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise HintRefusedError("bad_request", f"{what!r} is to be text.")
    if len(value) > limit * 4:
        raise HintRefusedError("too_long", f"{what!r} is longer than {limit} characters.")
    kept = "".join(
        " " if character.isspace() else character
        for character in value
        if character.isspace() or character in "\u200c\u200d" or unicodedata.category(character)[0] != "C"
    )
    text = " ".join(kept.split())
    if len(text) > limit:
        raise HintRefusedError("too_long", f"{what!r} is longer than {limit} characters.")
    return text


def network_of(address: str) -> str:
    """Return what counts as one address: the whole of an IPv4 one, the first 64 bits of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
