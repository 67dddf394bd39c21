"""Tells a past show again, from its log: as Markdown, as JSON, as one page of HTML that needs no network."""

import json
from typing import Any

from debate_caster.booklet import Booklet, Hint, Speaker, as_html, as_markdown, instant, manner
from debate_caster.booklet import Speech as PrintedSpeech
from debate_caster.show.events import AgentCast
from debate_caster.show.transcript import Speech, Transcript
from debate_caster.verdict_words import verdict_lines, verdict_sentence

__all__ = ["booklet_of", "export_html", "export_json", "export_markdown"]

JSON_VERSION = 1

ENDINGS = {
    "completed": "ran to its end",
    "budget": "ended early: a limit of its budget was reached",
    "producer": "was ended by its producer",
    "interrupted": "was interrupted",
    "failed": "failed",
}


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
        "started_at": instant(started.at if started else None),
        "ended_at": instant(transcript.ended.at if transcript.ended else None),
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
    booklet = booklet_of(transcript)
    return as_markdown(booklet) if booklet else ""


def export_html(transcript: Transcript) -> str:
    """Return the show as one page: its style inside, no script, nothing loaded from anywhere."""
    return as_html(booklet_of(transcript))


def booklet_of(transcript: Transcript) -> Booklet | None:
    """Return the show as it is to be printed; None where the log has no beginning."""
    started, ended, tally = transcript.started, transcript.ended, transcript.hints
    if started is None:
        return None
    return Booklet(
        title=started.title,
        motion=started.motion,
        language=started.language,
        format_title=started.format_title or started.format,
        started_at=started.at,
        speakers=tuple(_speaker(agent) for agent in transcript.agents),
        speeches=tuple(_printed(transcript, speech) for speech in _speeches(transcript)),
        ending=f"The show {ENDINGS[ended.why]}." if ended else "",
        result=_result(transcript),
        remarks=f"Hints from viewers: {tally.offered}; used: {tally.used}." if tally.offered else "",
    )


def _speaker(agent: AgentCast) -> Speaker:
    return Speaker(agent.id, agent.name, agent.emoji, agent.color, "moderator" if agent.moderator else agent.side_title)


def _printed(transcript: Transcript, speech: Speech) -> PrintedSpeech:
    return PrintedSpeech(
        turn=speech.turn,
        phase=_phase_title(transcript, speech.phase),
        speaker=speech.speaker,
        text=speech.text,
        how=manner(speech.how, apology=speech.apology, held_back=speech.held_back),
        role=speech.role,
        hints=tuple(Hint(hint.name, hint.text) for hint in speech.hints),
        started_at=speech.started_at,
    )


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
        "apology": speech.apology,
        "held_back": speech.held_back,
        "detail": speech.detail,
        "text": speech.text,
        "words": speech.words,
        "hints": [{"id": hint.id, "name": hint.name, "text": hint.text} for hint in speech.hints],
        "started_at": instant(speech.started_at),
        "ended_at": instant(speech.ended_at),
        "usage": speech.usage.model_dump(mode="json"),
    }


def _phase_title(transcript: Transcript, phase: int) -> str:
    phases = transcript.started.phases if transcript.started else ()
    return phases[phase].title if 0 <= phase < len(phases) else f"Phase {phase + 1}"
