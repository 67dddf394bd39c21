"""Where the stage is that the settings ask for, who may reach it, and whether agents need a token there."""

from debate_caster.addresses import is_loopback
from debate_caster.errors import SetupError
from debate_caster.settings import Settings

__all__ = ["check_host", "is_open_to_agents", "websocket_address"]


def check_host(settings: Settings) -> None:
    """Refuse an address on which others reach the stage, unless that was allowed.

    Raises:
        SetupError: It is one, and it was not.
    """
    if not (settings.allow_public or is_loopback(settings.host)):
        raise SetupError(
            f"the stage is not opened on {settings.host} unasked: others reach it there",
            "Use 127.0.0.1, or say --allow-public.",
        )


def is_open_to_agents(settings: Settings) -> bool:
    """Say whether agents come in without a token.

    They hear what is said as viewers do: where these need tickets, those need tokens, unless somebody says not.
    Then they broadcast without one, and hear no show but their own.
    """
    unasked = is_loopback(settings.host) and not settings.tickets
    return unasked if settings.open_stage is None else settings.open_stage


def websocket_address(address: str) -> str:
    """Return the agents' address of a stage that is named by the address of its page."""
    for page, agents in (("http://", "ws://"), ("https://", "wss://")):
        if address.startswith(page):
            return f"{agents}{address.removeprefix(page).rstrip('/')}/ws"
    return address
