"""With what the stage closes a WebSocket; docs/protocol.md says what each code means, and who is to come back."""

from enum import IntEnum

__all__ = ["AgentClose", "ViewerClose"]


class ViewerClose(IntEnum):
    """For viewers and producers."""

    NORMAL = 1000
    BAD_REQUEST = 4400
    SESSION_OVER = 4401
    NO_ADMISSION = 4403
    NO_SUCH_SHOW = 4404
    NO_TICKET = 4408
    TOO_MANY_MESSAGES = 4429
    SHUTTING_DOWN = 4500
    LOG_GONE = 4503


class AgentClose(IntEnum):
    """For agents, whoever wrote them: where a code of the standard says it, that one is taken."""

    SHUTTING_DOWN = 1001
    POLICY = 1008
    TOO_BIG = 1009
    TOKEN_EXPIRED = 4401
    NOT_REGISTERED = 4408
    IDENTITY_TAKEN = 4409
