"""Where a show is broadcast, what it is called there, and the limits that a connection keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from debate_caster.addresses import is_loopback, is_public, objection_to, objection_to_addresses, written_address
from debate_caster.errors import BroadcastError

__all__ = ["ConnectionLimits", "EarlierRun", "MisplacedError", "ShowIdentity", "Target"]


class MisplacedError(BroadcastError):
    """The target's name leads where it may not be. Nothing was connected to, and names may lead back."""


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What an agent of a show that was broken off may have said on a target before.

    ``sent`` is the last place of the show's log that may be there, ``parts`` how many rooms the agent has had.
    """

    sent: int = 0
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A server to broadcast to. ``name`` is for logs and files; ``mirror`` counts only if the peer knows no shows.

    ``is_ours``: it is in this very process, so that nothing we send it leaves the machine, whatever its address.
    ``allow_private``: it may be in a private network, since its scenario says so, or the operator named it. What
    agents prove themselves with, and the show's key, go over ws:// to such networks and this machine only.
    """

    name: str
    url: str
    token: SecretStr | None = None
    mirror: bool = True
    is_ours: bool = False
    allow_private: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        return self.is_ours or is_loopback(self.host)

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BroadcastError: The address is not a WebSocket's, is where the target may not be, or a secret would cross a
                network in the clear.
        """
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
        except ValueError as exc:
            raise BroadcastError(self.name, f"the address is not one: {exc}") from exc
        if not usable or parts.username or parts.password:
            raise BroadcastError(
                self.name, "the address must be ws://host:port/path or wss://host/path, without a user"
            )
        if self.is_loopback:
            return
        if self.token is not None and parts.scheme == "ws":
            raise BroadcastError(
                self.name, "a token goes over wss:// only: over ws:// everybody on the way could read it"
            )
        if not self.allow_private and (objection := objection_to(parts.scheme, self.host, has_key=True)):
            raise BroadcastError(self.name, *objection)
        if written := written_address(self.host):
            self.check_addresses([written])

    def check_addresses(self, addresses: Sequence[str]) -> None:
        """Refuse to be at any of these addresses, which those of the name turned out to be.

        Raises:
            MisplacedError: One is in a private network unasked, or on the internet without encryption.
        """
        if not self.allow_private and (objection := objection_to_addresses(self.host, addresses)):
            raise MisplacedError(self.name, *objection)
        if any(is_public(address) for address in addresses) and urlsplit(self.url).scheme == "ws":
            raise MisplacedError(
                self.name, "with ws:// everybody on the way could read the agents' secrets", "Write wss://… instead."
            )


@dataclass(frozen=True, slots=True)
class ShowIdentity:
    """What a target needs to know about the show.

    ``key`` is the caster's secret: each target gets one made from it, by which it knows the rooms of the show.
    ``producer`` is the digest of the producer's token, empty where nobody may direct the show from a target.
    """

    id: str
    key: str = field(repr=False)
    title: str
    motion: str = ""
    language: str = "en"
    producer: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times in seconds of the connection's clock; where a number comes from a server, that server is named."""

    reply_timeout_s: float = 10.0
    """For the handshake, ``registered`` and ``broadcast_approved`` each, and for a pong after a line."""
    heartbeat_interval_s: float = 27.0
    """v1 forgets an agent 120 to 150 s after its last heartbeat; 25 to 30 s leave room for three lost ones."""
    line_interval_s: float = 2.0
    """At least this long between two lines of one agent in one room of a Pulsar server (its published rule)."""
    messages_per_s: int = 8
    """Frames of any kind in any window of one second; v1 and v2 drop what exceeds 10."""
    text_units: int = 3500
    """UTF-16 units of a line; v2 cuts at 4000."""
    chat_units: int = 900
    """UTF-16 units of a mirrored line; v2 cuts at 1000."""
    duplicate_window_s: float = 5.5
    """No two lines that start alike within this time: v1 and v2 drop the second within 5 s by their own clock."""
    rooms_in_vain: int = 10
    """New rooms in a row, lost before any of the lines that waited arrived, after which a target is given up. Each
    leaves an empty room on the server for its audience to find. Ten take 20 s at least: by then it is no restart and no
    bad moment."""
    backoff_first_s: float = 2.0
    backoff_longest_s: float = 60.0
    ending_timeout_s: float = 20.0
    """How long a connection that has been live goes on after the show's end to bring out what is left."""
    away_timeout_s: float = 5.0
    """At least this long for one that is off the air when the show ends, from then on: time for two attempts.

    One that has gone off only just before has ``ending_timeout_s`` from there."""
    goodbye_timeout_s: float = 2.0
    """For ``broadcast_end`` and closing, all together, when the show is cancelled."""
    ended_timeout_s: float = 1.0
    """How long to wait for ``broadcast_ended``, which v1 never sends."""
    order_patience_s: float = 0.8
    """How long a line waits for other agents' earlier lines to be mirrored into its room."""
    window: int = 64
    """Frames under way to a peer that acknowledges; chunks held back for one that does not."""
    max_frame_bytes: int = 1024 * 1024
    """Longest frame taken from a server; the real ones send less than 100 KB."""
