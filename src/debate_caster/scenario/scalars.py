"""Single values of YAML: what unquoted text stands for, and which text is refused wherever it stands."""

import json
import re
import unicodedata

__all__ = ["Scalar", "clipped", "fit_to_show", "resolve", "shown", "unfit_character"]

Scalar = str | int | float | bool | None

_LONGEST_INTEGER = 15  # digits: above, JSON readers (and editors' schemas) no longer hold it exactly

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,5})?")
_SURPRISES = (
    (re.compile(r"y|n|yes|no|on|off|true|false", re.IGNORECASE), "true or false"),
    (re.compile(r"null", re.IGNORECASE), "nothing"),
    (re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"), "a number in base 60"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\s].*)?"), "a date"),
    (re.compile(r"[-+]?0[oO]?[0-7_]+"), "an octal number"),
    (re.compile(r"[-+]?0[xXbB][0-9a-fA-F_]+"), "a number in another base"),
    (re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE), "a number that is none"),
    (re.compile(r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"), "a number"),
    (re.compile(r"=|<<"), "something special"),
)
"""Plain scalars that YAML 1.1 and 1.2, or two readers of the same version, take for different things."""

_SECRET = re.compile(
    r"\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[opsur]_[A-Za-z0-9]{20,}"
    # Of a run of such characters only the first beginning is tried: text made of beginnings would take hours.
    r"|(?<![A-Za-z0-9_-])(?>[A-Za-z0-9_-]*?\beyJ)[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}"
    r"|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}"
    r"|\bhf_[A-Za-z0-9]{20,}|\b(?=[a-fA-F]*[0-9])[0-9a-fA-F]{32,}\b"
)
"""What the keys of well-known services look like; such a value is never repeated in a message."""


def fit_to_show(text: str) -> bool:
    """Say whether a message may repeat the text: no secret, and nothing that plays with the terminal."""
    return not unfit_character(text) and not _SECRET.search(text)


def resolve(text: str, *, plain: bool) -> tuple[str, Scalar]:
    """Return why a scalar is refused (empty where it is not), and its value; ``plain`` is one without quotes."""
    if _SECRET.search(text):
        return "this looks like a secret: take it out, and write ${NAME} in an api_key, token or secret", None
    if character := unfit_character(text):
        return f"the character U+{ord(character):04X} can't stand in a text: remove it", None
    if not plain:
        return "", text
    if text in {"", "~", "null"}:
        return "", None
    if text in {"true", "false"}:
        return "", text == "true"
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER:
            return f"numbers of more than {_LONGEST_INTEGER} digits are not taken", None
        return "", int(text)
    if _NUMBER.fullmatch(text):
        number = float(text)
        return ("", number) if abs(number) < float("inf") else ("this number is too large", None)
    for pattern, meaning in _SURPRISES:
        if pattern.fullmatch(text):
            choice = ", or true or false" if meaning == "true or false" else ""
            quoted = json.dumps(clipped(text), ensure_ascii=False)
            wish = f"write {quoted} if it is text{choice}"
            return f"{shown(text)} is {meaning} to some readers of YAML: {wish}", None
    return "", text


def unfit_character(text: str) -> str:
    """Return the first character that must reach no prompt, page or terminal; empty where there is none.

    Controls, halves of surrogate pairs, and the marks that turn the direction of reading and so hide what is written.
    """
    for character in text:
        if character in "\n\t":
            continue
        if unicodedata.category(character) in {"Cc", "Cs"} or "\u202a" <= character <= "\u202e":
            return character
        if "\u2066" <= character <= "\u2069":
            return character
    return ""


def shown(text: str) -> str:
    """Return a piece of a file fit for a message: short, on one line, in quotes."""
    return repr(clipped(text))


def clipped(text: str) -> str:
    """Return the text, or its beginning where it is too long for a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."
