"""How a receiver of our HTTP requests knows that they are ours, and when they were made."""

import hashlib
import hmac
from datetime import datetime

__all__ = ["SIGNATURE_HEADER", "signature"]

SIGNATURE_HEADER = "Debate-Caster-Signature"


def signature(secret: bytes, body: bytes, at: datetime) -> str:
    """Return the header's value: ``t=UNIX_SECONDS,v1=HEX``, HEX being HMAC-SHA256 over ``t``, a dot and the body.

    The time is signed as well, so that an old request can't be sent again later.
    """
    seconds = str(int(at.timestamp()))
    digest = hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
