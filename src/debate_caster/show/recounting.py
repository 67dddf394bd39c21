"""Tells a past show again: as Markdown, as JSON, as one page of HTML that needs no network.

Whatever a model or a viewer wrote stays text: nothing of it becomes a tag, a link or a heading.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from debate_caster.show.events import AgentCast
from debate_caster.show.transcript import Speech, Transcript
from debate_caster.verdict_words import verdict_lines, verdict_sentence

__all__ = ["export_html", "export_json", "export_markdown"]

JSON_VERSION = 1

ENDINGS = {
    "completed": "ran to its end",
    "budget": "ended early: a limit of its budget was reached",
    "interrupted": "was interrupted",
    "failed": "failed",
}
MARKS = {"clipped": "clipped at the limit", "aborted": "broken off", "skipped": "skipped"}

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_MARKUP = re.compile(r"[\\`*_\[\]~|$@]|(?<=:)/|(?<=\bwww)\.", re.IGNORECASE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_LINE_START = re.compile(r"^(?:([#+=-])|(\d{1,9})([.)]))", re.MULTILINE)
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}")


def export_json(transcript: Transcript) -> str:
    """Return the show as a JSON object; texts are as they were aired, byte for byte."""
    started = transcript.started
    recounted: dict[str, Any] = {
        "version": JSON_VERSION,
        "show": started.show if started else "",
        "title": started.title if started else "",
        "motion": started.motion if started else "",
        "language": started.language if started else "",
        "format": started.format if started else "",
        "started_at": _instant(started.at if started else None),
        "ended_at": _instant(transcript.ended.at if transcript.ended else None),
        "ended": {"why": transcript.ended.why, "detail": transcript.ended.detail} if transcript.ended else None,
        "agents": [agent.model_dump(mode="json") for agent in transcript.agents],
        "phases": [phase.model_dump(mode="json") for phase in started.phases] if started else [],
        "speeches": [_speech_as_json(speech) for speech in _speeches(transcript)],
        "hints": {
            "offered": transcript.hints.offered,
            "accepted": transcript.hints.accepted,
            "declined": transcript.hints.declined,
            "used": transcript.hints.used,
            "expired": transcript.hints.expired,
        },
        "verdict": transcript.verdict.model_dump(mode="json", exclude={"seq", "at", "type"})
        if transcript.verdict
        else None,
        "spent": transcript.spent.model_dump(mode="json"),
        "spent_by_model": {model: usage.model_dump(mode="json") for model, usage in transcript.spent_by_model},
    }
    return json.dumps(recounted, ensure_ascii=False, indent=2) + "\n"


def export_markdown(transcript: Transcript) -> str:
    """Return the show as Markdown (CommonMark and GitHub's)."""
    started = transcript.started
    if started is None:
        return ""
    blocks = [f"# {_inline(started.title)}", f"**Motion:** {_inline(started.motion)}"]
    blocks.append(f"{_inline(started.format_title or started.format)}, {started.at:%Y-%m-%d %H:%M} UTC")
    cast = (f"{_inline(agent.emoji)} **{_inline(agent.name)}**{_part(agent, _inline)}" for agent in transcript.agents)
    blocks.append("\n".join(f"- {entry}" for entry in cast))
    for phase, speeches in groupby(_speeches(transcript), key=lambda speech: speech.phase):
        blocks.append(f"## {_inline(_phase_title(transcript, phase))}")
        for speech in speeches:
            agent = _agent(transcript, speech.speaker)
            blocks.append(f"### {_inline(agent.emoji)} {_inline(agent.name)}{_aside(speech, _inline)}")
            blocks += [f"> Hint from {_inline(hint.name) or 'a viewer'}: {_inline(hint.text)}" for hint in speech.hints]
            if speech.text:
                blocks.append(_marked(speech.text.strip()))
    if result := _result(transcript):
        sentence, *lines = (_inline(line) for line in result)
        blocks += ["## The vote", f"**{sentence}.**", "\n".join(f"- {line}" for line in lines)]
    if transcript.ended is not None:
        blocks.append(f"*The show {ENDINGS[transcript.ended.why]}.*")
    return "\n\n".join(blocks) + "\n"


def export_html(transcript: Transcript) -> str:
    """Return the show as one page: its style inside, no script, nothing loaded from anywhere."""
    started = transcript.started
    title = _escaped(started.title) if started else "A show without a beginning"
    language = _escaped(started.language) if started else "en"
    body = "\n".join(_page(transcript)) if started else ""
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


def _page(transcript: Transcript) -> Iterator[str]:
    started = transcript.started
    if started is None:
        return
    yield f'<header><p class="kind">{_escaped(started.format_title or started.format)}'
    yield f'<time datetime="{_instant(started.at)}">{started.at:%Y-%m-%d %H:%M} UTC</time></p>'
    yield f'<h1 dir="auto">{_escaped(started.title)}</h1>'
    yield f'<p class="motion" dir="auto">{_escaped(started.motion)}</p>'
    yield '<ul class="cast">'
    for agent in transcript.agents:
        yield (
            f'<li style="--color:{_color(agent)}"><span class="face" aria-hidden="true">{_escaped(agent.emoji)}</span>'
            f" <bdi>{_escaped(agent.name)}</bdi><small>{_part(agent, _escaped)}</small></li>"
        )
    yield "</ul></header>"
    for phase, speeches in groupby(_speeches(transcript), key=lambda speech: speech.phase):
        yield f'<section><h2 dir="auto">{_escaped(_phase_title(transcript, phase))}</h2>'
        for speech in speeches:
            yield from _article(transcript, speech)
        yield "</section>"
    if result := _result(transcript):
        sentence, *lines = result
        yield f'<section class="result"><h2>The vote</h2><p dir="auto"><strong>{_escaped(sentence)}.</strong></p>'
        yield "<ul>" + "".join(f'<li dir="auto">{_escaped(line)}</li>' for line in lines) + "</ul></section>"
    if transcript.ended is not None:
        tally = transcript.hints
        told = f"The show {ENDINGS[transcript.ended.why]}."
        if tally.offered:
            told += f" Hints from viewers: {tally.offered}; used: {tally.used}."
        yield f"<footer><p>{_escaped(told)}</p></footer>"


def _article(transcript: Transcript, speech: Speech) -> Iterator[str]:
    agent = _agent(transcript, speech.speaker)
    yield f'<article id="turn-{speech.turn}" class="{speech.how}" style="--color:{_color(agent)}">'
    yield (
        f'<h3><span class="face" aria-hidden="true">{_escaped(agent.emoji)}</span> <bdi>{_escaped(agent.name)}</bdi>'
        f"<small>{_aside(speech, _escaped)}</small></h3>"
    )
    if speech.started_at is not None and transcript.started is not None:
        seconds = int((speech.started_at - transcript.started.at).total_seconds())
        yield f'<a class="clock" href="#turn-{speech.turn}">{seconds // 60}:{seconds % 60:02}</a>'
    for hint in speech.hints:
        yield (
            f'<aside dir="auto"><bdi>{_escaped(hint.name) or "A viewer"}</bdi>: <q>{_escaped(hint.text)}</q></aside>'
        )
    for paragraph in re.split(r"\n\s*\n", speech.text.strip()):
        if paragraph:
            yield f'<p dir="auto">{_escaped(paragraph)}</p>'
    yield "</article>"


def _speeches(transcript: Transcript) -> list[Speech]:
    """Return all speeches, and the one on air where the log ends in the middle of it."""
    speeches = list(transcript.speeches)
    if transcript.open is not None:
        start = transcript.open.started
        speeches.append(
            Speech(
                turn=start.turn,
                phase=start.phase,
                speaker=start.speaker,
                text=transcript.open.text,
                how="aborted",
                role=start.role,
                kind=start.kind,
                addresses=start.addresses,
                hints=start.hints,
                started_at=start.at,
            )
        )
    return speeches


def _verdict_as_json(transcript: Transcript) -> dict[str, Any] | None:
    verdict = transcript.verdict
    return verdict.model_dump(mode="json", exclude={"seq", "at", "type"}) if verdict is not None else None


def _result(transcript: Transcript) -> tuple[str, ...]:
    """Return what came of the audience's votes: a sentence, then a line for each choice; nothing without votes."""
    if transcript.verdict is None:
        return ()
    verdict = transcript.verdict.model_dump()
    titles = {choice.id: choice.title for poll in transcript.polls for choice in poll.choices}
    return verdict_sentence(verdict, titles), *verdict_lines(verdict, titles)


def _speech_as_json(speech: Speech) -> dict[str, Any]:
    return {
        "turn": speech.turn,
        "phase": speech.phase,
        "speaker": speech.speaker,
        "role": speech.role,
        "kind": speech.kind,
        "addresses": speech.addresses,
        "how": speech.how,
        "detail": speech.detail,
        "text": speech.text,
        "words": speech.words,
        "hints": [{"id": hint.id, "name": hint.name, "text": hint.text} for hint in speech.hints],
        "started_at": _instant(speech.started_at),
        "ended_at": _instant(speech.ended_at),
        "usage": speech.usage.model_dump(mode="json"),
    }


def _agent(transcript: Transcript, agent_id: str) -> AgentCast:
    try:
        return transcript.agent(agent_id)
    except KeyError:
        return AgentCast(id=agent_id, name=agent_id, emoji="", color="")


def _phase_title(transcript: Transcript, phase: int) -> str:
    phases = transcript.started.phases if transcript.started else ()
    return phases[phase].title if 0 <= phase < len(phases) else f"Phase {phase + 1}"


def _part(agent: AgentCast, escape: Callable[[str], str]) -> str:
    what = "moderator" if agent.moderator else agent.side_title
    return f", {escape(what)}" if what else ""


def _aside(speech: Speech, escape: Callable[[str], str]) -> str:
    told = [escape(speech.role)] if speech.role else []
    if mark := MARKS.get(speech.how):
        told.append(mark)
    return f", {', '.join(told)}" if told else ""


def _color(agent: AgentCast) -> str:
    return agent.color if _COLOR.fullmatch(agent.color) else "currentColor"


def _instant(at: datetime | None) -> str | None:
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
