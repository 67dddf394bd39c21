"""``token create``: a token that lets an agent on one's own stage, or a viewer in; on stdout and nowhere else."""

from datetime import UTC, datetime

from debate_caster.cli.session import RAN, Session
from debate_caster.cli.signing_keys import key_file_of, signing_keys
from debate_caster.clock import SystemClock
from debate_caster.errors import SetupError
from debate_caster.stage.tokens import TokenDesk

__all__ = ["token"]


def token(session: Session) -> int:
    """Make a token and print it."""
    options, clock = session.options, SystemClock()
    if options.role == "producer":
        raise SetupError(
            "a producer's token is the show's own: its caster checks it, not the stage",
            "`run` prints one with the producer's address; DEBATE_CASTER_PRODUCER_TOKEN sets it beforehand.",
        )
    if options.role == "viewer" and options.agent:
        raise SetupError("a viewer's token names no agent", "Leave --agent out.")
    desk = TokenDesk(signing_keys(key_file_of(session.settings)), clock=clock)
    try:
        made = desk.issue(options.role, lasting=options.expires, show=options.show or "", agent=options.agent or "")
    except ValueError as exc:
        raise SetupError(f"no such token: {exc}") from exc
    session.say(made)
    until = datetime.fromtimestamp(desk.check(made, role=options.role).expires_at, UTC)
    session.remark(f"valid until {until:%Y-%m-%d %H:%M:%S} UTC")
    if options.role == "viewer":
        session.remark("lets in one browser: https://STAGE/shows/SHOW#ticket=TOKEN")
    return RAN
