"""The words that a moderation lists, in the scenario or in a file beside it, and what can be wrong with that file."""

import re
from collections.abc import Iterator

from debate_caster.errors import ScenarioError
from debate_caster.scenario.manuscript import LIST_FILE
from debate_caster.scenario.script import LONGEST_UNWANTED, MOST_UNWANTED
from debate_caster.scenario.source_file import listed, read_text
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["unwanted_words"]

MODERATION = "moderation"


def unwanted_words(document: Document, root: Node) -> tuple[str, ...]:
    """Return the words of ``moderation``, a file's included; report at its place what is wrong with the file."""
    moderation = root.get(MODERATION)
    words = moderation.get("words") if moderation is not None else None
    if words is None or words.broken:
        return ()
    if words.text is not None:
        return tuple(_from_file(document, words)) if re.fullmatch(LIST_FILE, words.text) else ()
    return tuple(entry.text for entry in words.entries() if entry.text is not None)


def _from_file(document: Document, node: Node) -> Iterator[str]:
    folder, name = document.path.parent, node.text or ""
    try:
        lines = list(listed(read_text(folder / name, within=folder)))
    except ScenarioError as exc:
        document.report(node.mark, f"{name}: {exc.problems[0].message}", MODERATION, "words")
        return
    if not lines:
        document.report(node.mark, f"{name}: no word stands in it: write one a line", MODERATION, "words")
    if len(lines) > MOST_UNWANTED:
        message = f"{name}: {len(lines)} words are more than {MOST_UNWANTED}: leave some out, or name a hook"
        document.report(node.mark, message, MODERATION, "words")
        return
    for number, word in lines:
        if len(word) > LONGEST_UNWANTED:
            message = f"{name}, line {number}: longer than {LONGEST_UNWANTED} characters"
            document.report(node.mark, message, MODERATION, "words")
        yield word
