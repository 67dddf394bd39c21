"""How much haste and nonsense of one agent the stage bears: what is dealt with, what is dropped, when it is enough."""

from debate_caster.clock import Clock
from debate_caster.pulsar.messages import Command, Heartbeat
from debate_caster.stage.rates import Bucket

__all__ = ["Patience"]

FRAME_BURST, FRAMES_PER_S = 40, 20.0
"""How many messages an agent may send. Twice what Pulsar allows, which nobody who paces for people comes near."""

HEARTBEAT_BURST, HEARTBEATS_PER_S = 10, 2.0
"""The same for heartbeats, which need not wait behind lines. Clients send one in 10 to 30 s; each answer lists every
room that is open."""

DROPS_BURST, DROPS_FORGIVEN_PER_S = 500, 20.0
"""How many messages in a row are dropped before the connection is closed, and how many more for each second that
passes: whoever sends no more than twice what it may loses lines for ever, and stays; so does who says 500 at once."""

WARNING_BURST, WARNINGS_PER_S = 10, 1.0
"""How often one is told of what was dropped; a warning says how many it stands for."""

IDLE_BURST, IDLE_PER_S = 100, 5.0
"""The same for frames that say nothing: pings, pongs and binary ones. Clients send a pong or two in 20 s."""

REFUSALS_LIMIT, REFUSALS_FORGIVEN_PER_S = 20, 0.1
"""Frames that are no messages of the protocol, or of somebody who has not registered, which end the connection; one in
ten seconds is forgiven, so that a client of another make which says now and then what no stage knows may stay."""


class Patience:
    """With one connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames = Bucket(FRAME_BURST, FRAMES_PER_S)
        self._heartbeats = Bucket(HEARTBEAT_BURST, HEARTBEATS_PER_S)
        self._drops = Bucket(DROPS_BURST, DROPS_FORGIVEN_PER_S)
        self._idle = Bucket(IDLE_BURST, IDLE_PER_S)
        self._warnings = Bucket(WARNING_BURST, WARNINGS_PER_S)
        self._refusals = Bucket(REFUSALS_LIMIT - 1, REFUSALS_FORGIVEN_PER_S)
        self._untold = 0

    def take(self, command: Command) -> float:
        """Count a message that is to be dealt with; return 0, or the seconds to wait when it is too early."""
        bucket = self._heartbeats if isinstance(command, Heartbeat) else self._frames
        return bucket.take(self._clock.monotonic())

    def bears_drop(self) -> bool:
        """Count a message that was dropped; say whether the connection may go on."""
        self._untold += 1
        return not self._drops.take(self._clock.monotonic())

    def bears_idle(self) -> bool:
        """Count a frame that says nothing; say whether the connection may go on."""
        return not self._idle.take(self._clock.monotonic())

    def warning(self) -> str:
        """Return what to tell the agent of what was dropped; "" where it has been told just now."""
        if self._warnings.take(self._clock.monotonic()):
            return ""
        before, self._untold = self._untold - 1, 0
        told = f", and so were {before} before it" if before else ""
        return f"More than {FRAMES_PER_S:.0f} messages a second: this one was dropped{told}."

    def bears_refusal(self) -> bool:
        """Count a frame that was refused for what it is, or whose it is; say whether the connection may go on."""
        return not self._refusals.take(self._clock.monotonic())
