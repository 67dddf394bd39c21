"""What can be wrong with ``announce`` beyond its shape: addresses that are none, lead inside, or are secrets."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from debate_caster.addresses import is_loopback, objection_to
from debate_caster.scenario.manuscript import ANNOUNCE_URL, LONGEST_ADDRESS, REFERENCE
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["check_announce"]

_SECRET_ADDRESSES = {"discord.com", "discordapp.com", "hooks.slack.com", "hooks.slack-gov.com"}
"""Hosts where who knows a webhook's address may post."""

Path = tuple[str | int, ...]


def check_announce(document: Document, root: Node, secrets: Mapping[Path, SecretStr]) -> None:
    """Report what is wrong with the entries of ``announce``, at its place in the file; ``secrets`` are by place."""
    announce = root.get("announce")
    for index, entry in enumerate(announce.entries() if announce is not None else []):
        path: Path = ("announce", index)
        node, form, secret, kinds = (entry.get(key) for key in ("url", "format", "secret", "on"))
        if secret is not None and form is not None and form.text in {"discord", "slack"}:
            message = f"a {form.text} message is not signed: remove this key, or write 'format: json'"
            document.report(entry.key_marks["secret"], message, *path, "secret")
        seen: set[str] = set()
        for place, kind in enumerate(kinds.entries() if kinds is not None else []):
            if kind.text in seen:
                document.report(kind.mark, f"{kind.text} stands here already: remove one", *path, "on", place)
            seen.add(kind.text or "")
        if node is None or node.text is None or node.broken or len(node.text) > LONGEST_ADDRESS:
            continue
        private = entry.get("allow_private")
        is_private = private is not None and private.value is True
        reference = re.fullmatch(REFERENCE, node.text)
        named = secrets.get((*path, "url"))
        address = named.get_secret_value() if named else "" if reference else node.text
        if not address:
            continue  # the variable is not set, and need not be
        if problem := _problem(address, variable=node.text[2:-1] if reference else "", is_private=is_private):
            document.report(node.mark, problem, *path, "url")


def _problem(address: str, *, variable: str, is_private: bool) -> str:
    """Return what is wrong with an address, without repeating it; ``variable`` is where it comes from, if from one."""
    try:
        parts = urlsplit(address)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme, host = "", ""
    if not host or not re.fullmatch(ANNOUNCE_URL, address):
        # One that is written out is reported as what does not fit its pattern.
        return f"the environment variable {variable} holds no http:// or https:// address" if variable else ""
    if not variable and host.removeprefix("www.") in _SECRET_ADDRESSES:
        return "who knows this address may post there: write ${NAME}, and set NAME to it in the environment"
    if is_private or is_loopback(host):
        return ""
    if variable and scheme == "http":
        return "with http:// everybody on the way could read this address, which is a secret: use https://…"
    return str(objection_to(scheme, host, has_key=False) or "")
