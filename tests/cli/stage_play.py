"""A short show as records of its log, for tests of what is printed of it."""

from datetime import timedelta

from debate_caster.clock import EPOCH_OF_TESTS
from debate_caster.log import Record
from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    HintAccepted,
    HintOffered,
    HintTaken,
    HintUsed,
    PhaseCast,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    encode,
)

ADA = AgentCast(
    id="ada", name="Ada", emoji="🦉", color="#c44dff", side="for", side_title="Proposition", style="precise"
)
BEN = AgentCast(id="ben", name="Ben", emoji="🦊", color="#4dc4ff", side="against", side_title="Opposition")


def play(*lines: str, motion: str = "This house would ban homework") -> list[ShowEvent]:
    """Ada says ``lines`` in one turn, Ben is skipped, the show ends; a second passes between events."""
    at = EPOCH_OF_TESTS
    events: list[ShowEvent] = [
        ShowStarted(
            at=at, show="s1", scenario="homework", motion=motion, title="Homework", format="duel", format_title="Duel",
            seed=1, agents=(ADA, BEN), phases=(PhaseCast(key="opening", title="Opening", turns=2),), turns=2,
        ),
        PhaseStarted(at=at, phase=0, key="opening", title="Opening", speaker="ada"),
        HintOffered(at=at, hint="h1", viewer="v1", name="Mia", text="What about rest?", to="ada", source="stage"),
        HintAccepted(at=at, hint="h1", viewer="v1", name="Mia", text="What about rest?", to="ada"),
        TurnPrepared(at=at, turn=0, phase=0, speaker="ada", prompt_digest="", prompt_words=1),
        TurnStarted(
            at=at, turn=0, phase=0, speaker="ada", side="for", role="opener", max_words=100,
            hints=(HintTaken(id="h1", viewer="v1", name="Mia", text="What about rest?"),),
        ),
        HintUsed(at=at, hint="h1", viewer="v1", turn=0, speaker="ada"),
        *(ChunkAired(at=at, turn=0, index=index, speaker="ada", text=line) for index, line in enumerate(lines)),
        TurnEnded(at=at, turn=0, speaker="ada", how="completed"),
        TurnEnded(at=at, turn=1, speaker="ben", how="skipped", detail="the model is silent"),
        ShowEnded(at=at, why="completed"),
    ]  # fmt: skip
    return [event.model_copy(update={"at": at + timedelta(seconds=index)}) for index, event in enumerate(events)]


def records(events: list[ShowEvent]) -> list[Record]:
    return [Record(seq, encode(event)) for seq, event in enumerate(events, start=1)]
