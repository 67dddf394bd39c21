from debate_caster.clock import ManualClock
from debate_caster.log import MemoryEventLog
from debate_caster.scenario import plan
from debate_caster.show.bulletins import Bulletins
from debate_caster.show.events import ChunkAired, TurnPrepared, TurnStarted
from debate_caster.show.log_writer import ShowLogWriter
from tests.show.stage_props import make_scenario


async def opened() -> tuple[Bulletins, ShowLogWriter]:
    scenario = make_scenario()
    writer = await ShowLogWriter.open(MemoryEventLog(), "s", clock=ManualClock())
    bulletins = Bulletins(scenario, plan(scenario), writer)
    await writer.append(bulletins.show_started(7))
    return bulletins, writer


async def test_the_first_event_says_who_debates_what_and_how() -> None:
    _, writer = await opened()

    started = writer.transcript.started
    assert started is not None
    assert (started.show, started.motion, started.seed, started.turns) == ("s", "Trams should be free.", 7, 4)
    assert [agent.id for agent in started.agents] == ["ada", "ben"]
    assert [(phase.key, phase.turns) for phase in started.phases] == [("opening", 2), ("clash", 2)]


async def test_a_phase_is_opened_by_its_first_turn_alone() -> None:
    bulletins, writer = await opened()
    turns = plan(make_scenario()).turns

    (opening,) = bulletins.phase_started(turns[0])
    await writer.append(opening)

    assert (opening.phase, opening.key, opening.speaker) == (0, "opening", "ada")
    assert bulletins.phase_started(turns[1]) == ()
    assert [event.key for event in bulletins.phase_started(turns[2])] == ["clash"]


async def test_a_turn_that_is_aborted_keeps_what_was_aired_and_prepared_ones_are_given_up() -> None:
    bulletins, writer = await opened()
    at = writer.now()
    assert bulletins.turn_cut_short("over") == ()
    await writer.append(
        TurnPrepared(at=at, turn=0, phase=0, speaker="ada", prompt_digest="", prompt_words=1),
        TurnStarted(at=at, turn=0, phase=0, speaker="ada", max_words=40),
        ChunkAired(at=at, turn=0, index=0, speaker="ada", text="Two words."),
        TurnPrepared(at=at, turn=1, phase=0, speaker="ben", prompt_digest="", prompt_words=1),
    )

    (aborted,), (given_up,) = bulletins.turn_cut_short("over"), bulletins.turns_given_up("over")
    transcript = await writer.append(aborted, given_up)

    assert (aborted.how, aborted.chunks, aborted.words, aborted.detail) == ("aborted", 1, 2, "over")
    assert [(speech.speaker, speech.how) for speech in transcript.speeches] == [("ada", "aborted"), ("ben", "skipped")]
