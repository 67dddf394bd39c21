"""What a persona remembers of earlier episodes, in a bounded number of words. Pure: facts, and lines of its own.

The most telling comes first, and what does not fit is left out: how often it was here and how it did, whom of today's
company it has met, the last time in more words, the times before in fewer.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from debate_caster.episodes.annals import Annals, Episode, Part, Result
from debate_caster.scenario.script import Recollection
from debate_caster.show.measures import count_words

__all__ = ["Record", "meetings", "recollection", "record_of", "times", "told_record"]


@dataclass(frozen=True, slots=True)
class Record:
    """How often a persona was there, and how the votes went for it; those that gave no result are left out."""

    episodes: int = 0
    won: int = 0
    lost: int = 0
    tied: int = 0

    @property
    def decided(self) -> int:
        return self.won + self.lost + self.tied


def record_of(results: Sequence[Result]) -> Record:
    """Return what results amount to."""
    counted = Counter(results)
    return Record(len(results), counted["won"], counted["lost"], counted["tied"])


def meetings(annals: Annals, persona: str) -> dict[str, list[tuple[Episode, Part, Part]]]:
    """Return the ended episodes in which a persona met another as an opponent, by the other's key, oldest first."""
    found: dict[str, list[tuple[Episode, Part, Part]]] = {}
    for episode, mine in _appearances(annals, persona):
        for other in episode.parts:
            if not mine.moderator and not other.moderator and other is not mine and _opposed(mine, other):
                found.setdefault(other.persona, []).append((episode, mine, other))
    return found


def recollection(annals: Annals, persona: str, *, company: Sequence[str], words: int) -> Recollection | None:
    """Return what a persona remembers in the company of others, in at most ``words`` words; None if it is new here."""
    past = _appearances(annals, persona)
    if not past:
        return None
    met = {other: found for other, found in meetings(annals, persona).items() if other in company}
    kept: list[str] = []
    room = words
    for sentence in _sentences(past, met):
        if (length := count_words(sentence)) <= room:
            kept.append(sentence)
            room -= length
    text = " ".join(kept)
    if not met:
        return Recollection(text=text)
    episode, mine, other = max((found[-1] for found in met.values()), key=lambda meeting: meeting[0].number)
    return Recollection(text=text, rival=other.name, earlier=episode.motion, result=mine.result)


def told_record(record: Record) -> str:
    """Return the results in words, empty where nobody has voted yet."""
    if not record.decided:
        return ""
    counts = [("won", record.won), ("lost", record.lost), ("tied", record.tied)]
    return ", ".join(f"{word} {count}" for word, count in counts if count)


def times(count: int) -> str:
    """Return how often, in words where there is one."""
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _appearances(annals: Annals, persona: str) -> list[tuple[Episode, Part]]:
    return [(episode, part) for episode in annals.episodes if episode.ended and (part := episode.part(persona))]


def _opposed(mine: Part, other: Part) -> bool:
    return mine.side is None or mine.side != other.side


def _sentences(past: list[tuple[Episode, Part]], met: dict[str, list[tuple[Episode, Part, Part]]]) -> Iterator[str]:
    record = told_record(record_of([part.result for _, part in past]))
    judged = f"; by the audience's votes you have {record}" if record else ""
    yield f"You have been on this show {times(len(past))} before{judged}."
    *before, (last, mine) = past
    for found in sorted(met.values(), key=len, reverse=True):
        with_them = told_record(record_of([mine.result for _, mine, _ in found]))
        episode, _, other = found[-1]
        about = f"; the last time it was about “{episode.motion}”" if episode.number != last.number else ""
        yield f"You have met {other.name} here {times(len(found))}{f': {with_them}' if with_them else ''}{about}."
        if about and other.said:
            yield f"{other.name} said then: “{other.said}”"
    yield f"Last time the motion was “{last.motion}”{_role(mine)}."
    if mine.said:
        yield f"You said then: “{mine.said}”"
    for found in met.values():
        episode, _, other = found[-1]
        if other.said and episode.number == last.number:
            yield f"{other.name} said then: “{other.said}”"
    for episode, part in reversed(before):
        yield f"Earlier: “{episode.motion}”{_role(part)}."


def _role(part: Part) -> str:
    if part.moderator:
        return ", and you moderated"
    side = f", your side was “{part.side_title}”" if part.side_title else ""
    return f"{side}{' and' if side else ','} you {part.result}" if part.result else side
