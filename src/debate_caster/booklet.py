"""A show written down: who said what, as Markdown and as one page of HTML that needs no network.

Knows neither of the two logs: the caster fills a booklet from its own, a stage from what was on air. Whatever a model
or a viewer wrote stays text: nothing of it becomes a tag, a link or a heading.
"""

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

__all__ = ["PAGE_POLICY", "Booklet", "Hint", "Speaker", "Speech", "as_html", "as_markdown", "instant", "manner"]

MARKS = {
    "clipped": "clipped at the limit",
    "aborted": "broken off",
    "apology": "no speech, an apology",
    "held_back": "held back",
    "skipped": "skipped",
}

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_MARKUP = re.compile(r"[\\`*_\[\]~|$@]|(?<=:)/|(?<=\bwww)\.", re.IGNORECASE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_LINE_START = re.compile(r"^(?:([#+=-])|(\d{1,9})([.)]))", re.MULTILINE)
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks; ``part`` is the side, or what else they are there for."""

    id: str
    name: str
    emoji: str = ""
    color: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a viewer gave the speaker to answer; ``name`` may be empty."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Speech:
    """One turn. ``how`` it ended is ``completed`` or a key of ``MARKS``; ``phase`` is what to print above it."""

    turn: int
    phase: str
    speaker: str
    text: str
    how: str = "completed"
    role: str = ""
    hints: tuple[Hint, ...] = ()
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Booklet:
    """A show, or what there is of it. ``ending`` is a sentence, empty while it goes on; ``remarks`` follow it.

    ``result`` says what came of the audience's votes: a sentence, then a line for each choice; empty without votes.
    """

    title: str
    motion: str
    language: str
    format_title: str
    started_at: datetime
    speakers: tuple[Speaker, ...]
    speeches: tuple[Speech, ...]
    ending: str = ""
    remarks: str = ""
    result: tuple[str, ...] = ()
    _by_id: dict[str, Speaker] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_id.update({speaker.id: speaker for speaker in self.speakers})

    def speaker(self, identity: str) -> Speaker:
        """Return a speaker; one that nobody has listed goes by its id."""
        return self._by_id.get(identity) or Speaker(identity, identity)


def as_markdown(booklet: Booklet) -> str:
    """Return the show as Markdown (CommonMark and GitHub's)."""
    blocks = [f"# {_inline(booklet.title)}"]
    blocks += [f"**Motion:** {_inline(booklet.motion)}"] if booklet.motion else []
    blocks.append(f"{_inline(booklet.format_title)}, {booklet.started_at:%Y-%m-%d %H:%M} UTC")
    blocks.append(
        "\n".join(f"- {_inline(who.emoji)} **{_inline(who.name)}**{_part(who, _inline)}" for who in booklet.speakers)
    )
    for phase, speeches in groupby(booklet.speeches, key=lambda speech: speech.phase):
        blocks += [f"## {_inline(phase)}"] if phase else []
        for speech in speeches:
            who = booklet.speaker(speech.speaker)
            blocks.append(f"### {_inline(who.emoji)} {_inline(who.name)}{_aside(speech, _inline)}")
            blocks += [f"> Hint from {_inline(hint.name) or 'a viewer'}: {_inline(hint.text)}" for hint in speech.hints]
            if speech.text:
                blocks.append(_marked(speech.text.strip()))
    if booklet.result:
        sentence, *lines = (_inline(line) for line in booklet.result)
        blocks += ["## The vote", f"**{sentence}.**", "\n".join(f"- {line}" for line in lines)]
    if booklet.ending:
        blocks.append(f"*{booklet.ending}*")
    return "\n\n".join(blocks) + "\n"


def as_html(booklet: Booklet | None) -> str:
    """Return the show as one page: its style inside, no script, nothing loaded from anywhere."""
    title = _escaped(booklet.title) if booklet else "A show without a beginning"
    language = _escaped(booklet.language) if booklet else "en"
    body = "\n".join(_page(booklet)) if booklet else ""
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _page(booklet: Booklet) -> Iterator[str]:
    yield f'<header><p class="kind">{_escaped(booklet.format_title)}'
    yield f'<time datetime="{instant(booklet.started_at)}">{booklet.started_at:%Y-%m-%d %H:%M} UTC</time></p>'
    yield f'<h1 dir="auto">{_escaped(booklet.title)}</h1>'
    yield f'<p class="motion" dir="auto">{_escaped(booklet.motion)}</p>'
    yield '<ul class="cast">'
    for who in booklet.speakers:
        yield (
            f'<li style="--color:{_color(who)}"><span class="face" aria-hidden="true">{_escaped(who.emoji)}</span>'
            f" <bdi>{_escaped(who.name)}</bdi><small>{_part(who, _escaped)}</small></li>"
        )
    yield "</ul></header>"
    for phase, speeches in groupby(booklet.speeches, key=lambda speech: speech.phase):
        yield f'<section><h2 dir="auto">{_escaped(phase)}</h2>' if phase else "<section>"
        for speech in speeches:
            yield from _article(booklet, speech)
        yield "</section>"
    if booklet.result:
        sentence, *lines = booklet.result
        yield f'<section class="result"><h2>The vote</h2><p dir="auto"><strong>{_escaped(sentence)}.</strong></p>'
        yield "<ul>" + "".join(f'<li dir="auto">{_escaped(line)}</li>' for line in lines) + "</ul></section>"
    if booklet.ending:
        told = f"{booklet.ending} {booklet.remarks}".strip()
        yield f"<footer><p>{_escaped(told)}</p></footer>"


def _article(booklet: Booklet, speech: Speech) -> Iterator[str]:
    who = booklet.speaker(speech.speaker)
    how = speech.how if speech.how in MARKS else "completed"
    yield f'<article id="turn-{speech.turn}" class="{how}" style="--color:{_color(who)}">'
    yield (
        f'<h3><span class="face" aria-hidden="true">{_escaped(who.emoji)}</span> <bdi>{_escaped(who.name)}</bdi>'
        f"<small>{_aside(speech, _escaped)}</small></h3>"
    )
    if speech.started_at is not None:
        seconds = int((speech.started_at - booklet.started_at).total_seconds())
        yield f'<a class="clock" href="#turn-{speech.turn}">{seconds // 60}:{seconds % 60:02}</a>'
    for hint in speech.hints:
        yield (
            f'<aside dir="auto"><bdi>{_escaped(hint.name) or "A viewer"}</bdi>: <q>{_escaped(hint.text)}</q></aside>'
        )
    for paragraph in re.split(r"\n\s*\n", speech.text.strip()):
        if paragraph:
            yield f'<p dir="auto">{_escaped(paragraph)}</p>'
    yield "</article>"


def manner(how: str, *, apology: bool, held_back: bool) -> str:
    """Return how a turn is said to have ended: why a broken-off one was, where that is known."""
    if how != "aborted":
        return how
    return "held_back" if held_back else "apology" if apology else how


def _part(who: Speaker, escape: Callable[[str], str]) -> str:
    return f", {escape(who.part)}" if who.part else ""


def _aside(speech: Speech, escape: Callable[[str], str]) -> str:
    told = [escape(speech.role)] if speech.role else []
    if mark := MARKS.get(speech.how):
        told.append(mark)
    return f", {', '.join(told)}" if told else ""


def _color(who: Speaker) -> str:
    return who.color if _COLOR.fullmatch(who.color) else "currentColor"


def instant(at: datetime | None) -> str | None:
    """Return a UTC time as machines read it, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return html.escape(_INVISIBLE.sub("", text))


def _marked(text: str) -> str:
    """Escape what Markdown would read as markup; HTML's own signs become entities."""
    text = _INDENT.sub("", _INVISIBLE.sub("", text))
    text = _MARKUP.sub(lambda sign: f"\\{sign[0]}", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINE_START.sub(lambda start: f"\\{start[1]}" if start[1] else f"{start[2]}\\{start[3]}", text)


def _inline(text: str) -> str:
    """As ``_marked``, for what stands within a line."""
    return _marked(" ".join(text.split()))


STYLE = """
:root{color-scheme:light dark;--ink:#1d1b20;--paper:#fbfaf7;--soft:#6d6874;--rule:#dedad2;--card:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#ebe7e1;--paper:#17161a;--soft:#a09aa8;--rule:#37343c;--card:#1f1e23}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.65 ui-serif,Georgia,"Noto Serif",serif;
overflow-wrap:anywhere}
main{max-width:44rem;margin:0 auto;padding:3rem 1.25rem 5rem}
header{border-bottom:1px solid var(--rule);padding-bottom:1.5rem}
.kind{display:flex;gap:1rem;justify-content:space-between;margin:0;color:var(--soft);
font:.875rem/1.4 system-ui,sans-serif}
h1{margin:.4em 0 .2em;font-size:clamp(1.7rem,5vw,2.5rem);line-height:1.15;text-wrap:balance}
.motion{margin:0 0 1.25rem;font-size:1.2rem;font-style:italic;color:var(--soft);text-wrap:pretty}
.cast{display:flex;flex-wrap:wrap;gap:.5rem;margin:0;padding:0;list-style:none;font:.9375rem/1.4 system-ui,sans-serif}
.cast li{border:1px solid var(--rule);border-inline-start:.3rem solid var(--color);border-radius:.4rem;
padding:.3rem .7rem;background:var(--card)}
small{color:var(--soft);font-size:.875em;font-weight:400}
h2{margin:3rem 0 1rem;font:600 .875rem/1.4 system-ui,sans-serif;letter-spacing:.08em;text-transform:uppercase;
color:var(--soft)}
article{position:relative;margin:0 0 1.75rem;padding:0 0 0 1.1rem;border-inline-start:.3rem solid var(--color)}
article:target{background:var(--card)}
h3{margin:0 3.5rem .4rem 0;font:600 1rem/1.4 system-ui,sans-serif}
.clock{position:absolute;top:.1rem;inset-inline-end:0;color:var(--soft);font:.8125rem/1.6 ui-monospace,monospace;
text-decoration:none}
article p{margin:0 0 .8em;white-space:pre-line;text-wrap:pretty}
aside{margin:0 0 .8em;padding:.5rem .8rem;border-radius:.4rem;background:var(--card);border:1px solid var(--rule);
font:.9375rem/1.5 system-ui,sans-serif}
.skipped{opacity:.65}
footer{margin-top:3rem;border-top:1px solid var(--rule);color:var(--soft);font:.9375rem/1.5 system-ui,sans-serif}
@media print{main{max-width:none;padding:0}article{break-inside:avoid-page}}
"""

PAGE_POLICY = (
    "default-src 'none'; style-src-attr 'unsafe-inline'; style-src-elem 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy for serving ``as_html``: its own style, colours in attributes, and nothing else."""
