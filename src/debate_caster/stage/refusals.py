"""What the stage says to a viewer whose contribution it does not take."""

from typing import Any

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """The stage does not take it. ``code`` is one word, ``retry_after`` seconds where waiting helps."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.retry_after = code, message, retry_after

    def as_json(self) -> dict[str, Any]:
        wait = {} if self.retry_after is None else {"retry_after": round(self.retry_after + 0.05, 1)}
        return {"error": self.code, "message": self.message, **wait}
