"""Tells others of shows: webhooks, signed and delivered until they have arrived, and messages for chats."""

from debate_caster.announce.correspondent import Correspondent
from debate_caster.announce.courier import Courier
from debate_caster.announce.herald import Herald, Planned
from debate_caster.announce.outbox import Outbox

__all__ = ["Correspondent", "Courier", "Herald", "Outbox", "Planned"]
