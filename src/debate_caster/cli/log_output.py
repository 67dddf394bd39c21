"""The log of the process: structlog's set-up, what libraries say routed into it, and no secret in any line.

Lines go to standard error, or to wherever a live view that owns the terminal wants them.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

import structlog
from pydantic import SecretStr

from debate_caster.cli.printable import escaped, json_line

__all__ = ["HIDDEN", "LogOutput", "Redaction", "to_stderr"]

HIDDEN = "[hidden]"

_SECRET_KEY = re.compile(
    r"(?i)(api[_-]?key|authori[sz]ation|cookie|password|passwd|secret|(?:^|_)token$|bearer|credential)"
)
_QUOTE = r"\\{0,3}[\"']"
"""As in JSON, in JSON inside JSON, and as Python shows a dictionary."""

_VALUE = r"(?!\[hidden\])[^\s\"'\\,;&})\]]+"
_QUOTED_VALUE = rf"{_QUOTE}(?P<value>(?:(?!{_QUOTE}).)+)"

_NO_WORD = r"(?=[^\s\"',;]*(?:[0-9_=]|(?-i:[a-z][A-Z])))[^\s\"',;]{6,}"
"""No word of a language: those have no digits in them, and no capitals but the first."""

_SECRET_SHAPES = tuple(
    re.compile(f"(?i){shape}")
    for shape in (
        # a header, with its scheme; the words "basic" and "bearer" alone are words before a word
        rf"(?P<kept>\bauthorization(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}}(?:{_QUOTE})?"
        rf"(?:bearer|basic|token|digest|apikey|negotiate)\s+){_VALUE}",
        rf"(?P<kept>\bauthorization(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}}(?:{_QUOTE})?){_NO_WORD}",
        rf"(?P<kept>\b(?:bearer|basic)\s+){_NO_WORD}",
        # a name that is no word, and what it is said to be
        r"(?P<kept>(?:api[_-]?key|(?:access|auth|refresh|session)[_-]token|(?:secret|private|access)[_-]key|client[_-]secret)"
        rf"(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}})(?:{_VALUE}|{_QUOTED_VALUE})",
        # a name that is a word: only as a key with a value in quotes, or before "="
        rf"(?P<kept>{_QUOTE}[\w-]{{0,40}}(?:secret|password|passwd|token){_QUOTE}\s{{0,8}}[:=]\s{{0,8}}){_QUOTED_VALUE}",
        rf"(?P<kept>(?:[?&]key|\b(?:secret|password|passwd|token))=){_VALUE}",
        # a password in an address, and addresses that are secrets themselves
        r"(?P<kept>\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(?P<kept>\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[^\s\"'<>)]+",
        r"(?P<kept>\bdiscord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[^\s\"'<>)]+",
        # keys that say by their first letters whose they are
        r"(?P<kept>)\b(?:sk|pk|ghp|gho|hf|xox[abp])[-_][A-Za-z0-9_-]{16,}",
        r"(?P<kept>)\b(?-i:AIza)[A-Za-z0-9_-]{20,}",
        r"(?P<kept>)\beyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # a JSON Web Token
    )
)
"""What stands before a secret is ``kept``; a secret in quotes is the ``value``. What may stand before something without
which there is no match has a bound: peers' texts may be long, and made to be slow."""

_SHORTEST_SECRET = 4
"""Values below this are not looked for in texts: hiding every ``a`` would hide the log, not the secret."""

Emit = Callable[[str], None]


def _hidden(found: re.Match[str]) -> str:
    secret = found.groupdict().get("value")
    if secret is None:
        return f"{found['kept']}{HIDDEN}"
    return f"{found[0].removesuffix(secret)}{HIDDEN}"


class Redaction:
    """Hides the secrets it has been told of, and whatever looks like one."""

    def __init__(self, secrets: Iterable[SecretStr | str | None] = ()) -> None:
        self._values: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[SecretStr | str | None]) -> None:
        """Hide these values from now on; None and values below 4 characters are passed over."""
        plain = {secret.get_secret_value() if isinstance(secret, SecretStr) else secret or "" for secret in secrets}
        known = plain | set(self._values)
        self._values = tuple(
            sorted((value for value in known if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
        )

    def text(self, text: str) -> str:
        """Return ``text`` with every secret in it replaced."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        for shape in _SECRET_SHAPES:
            text = shape.sub(_hidden, text)
        return text

    def value(self, value: object) -> object:
        """Return a log field's value with every secret in it replaced, however deep."""
        match value:
            case str():
                return self.text(value)
            case SecretStr():
                return HIDDEN
            case Mapping():
                return {str(key): self.field(str(key), inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(inner) for inner in value]
            case bool() | int() | float() | None:
                return value
            case _:
                return self.text(str(value))

    def field(self, key: str, value: object) -> object:
        if _SECRET_KEY.search(key) and isinstance(value, str | bytes | SecretStr):
            return HIDDEN
        return self.value(value)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Do it as a processor of structlog."""
        return {key: self.field(key, value) for key, value in event.items()}


def render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Render one event as one line of JSON, ``at``, ``level`` and ``event`` first."""
    first = {name: event.pop(name) for name in ("at", "level", "event") if name in event}
    return json_line(first | dict(event))


class ConsoleRenderer:
    """Render one event as a line for people; a traceback follows on lines of its own, each with a mark before it.

    Whatever text there is in it, no line looks like another event's, and no field like two: names and values with
    spaces, quotes or ``=`` stand in quotes, in which quotes are escaped.
    """

    MARK = "    | "
    """No event's line begins like this: those begin with a time, or with their level."""

    COLORS: Mapping[str, str] = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        at, level = str(event.pop("at", "")), str(event.pop("level", "info"))
        name, exception = str(event.pop("event", "")), str(event.pop("exception", ""))
        fields = " ".join(f"{self._word(key)}={self._shown(value)}" for key, value in sorted(event.items()))
        marked = f"\x1b[{self.COLORS.get(level, '0')}m{level:7}\x1b[0m" if self._color else f"{level:7}"
        line = " ".join(part for part in (at[11:19], marked, self._word(name), fields) if part)
        return "\n".join([line, *(self.MARK + escaped(more) for more in exception.split("\n"))]) if exception else line

    @classmethod
    def _shown(cls, value: object) -> str:
        """Return a field's value: a text as a word, anything else as JSON, which says itself where it ends."""
        return cls._word(value) if isinstance(value, str) else json_line(value)

    @staticmethod
    def _word(text: str) -> str:
        shown = escaped(text.replace("\\", r"\\").replace('"', r"\""))
        return f'"{shown}"' if not shown or any(char.isspace() or char in '"=' for char in shown) else shown


class _LibraryHandler(logging.Handler):
    """Hands what libraries log, and Python's warnings, to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL),
            "python_warning" if record.name == "py.warnings" else "library_message",
            library=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


def to_stderr(line: str) -> None:
    """Write a line to standard error; one that can't be written must not stop a show."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class _Logger:
    """What structlog calls with a finished line, whatever its level."""

    def __init__(self, output: "LogOutput") -> None:
        self._output = output

    def msg(self, line: str) -> None:
        self._output.emit(line)

    debug = info = warning = error = critical = msg


class LogOutput:
    """The one set-up of logging for a process; ``restore`` takes it back.

    ``emit`` gets each line and may be replaced at any time, by a live view that owns the terminal.
    """

    def __init__(self, *, level: str, as_json: bool, color: bool, redaction: Redaction, emit: Emit = to_stderr) -> None:
        self.emit = emit
        least = logging.getLevelNamesMapping()[level.upper()]
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redaction,
                render_json if as_json else ConsoleRenderer(color=color),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(least),
            logger_factory=lambda *_: _Logger(self),
            cache_logger_on_first_use=False,
        )
        root = logging.getLogger()
        self._root = (root.level, root.handlers[:])
        root.handlers[:] = [_LibraryHandler()]
        root.setLevel(max(least, logging.WARNING))  # what libraries say below a warning is about themselves
        logging.captureWarnings(True)

    def restore(self) -> None:
        """Put logging back as it was."""
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root = logging.getLogger()
        root.setLevel(self._root[0])
        root.handlers[:] = self._root[1]
