import io
import json

from debate_caster.cli.outlet import Outlet
from debate_caster.cli.standing import clock_time
from debate_caster.cli.views import Follower, JsonLinesView, PlainView, View
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import (
    ConnectionDown,
    ConnectionUp,
    HintDeclined,
    ShowEnded,
    ShowPaused,
    ShowResumed,
    VerdictGiven,
    VoteChoice,
    VoteClosed,
    VoteCounted,
    VoteOpened,
    encode,
    stream_of,
)
from tests.cli.stage_play import play, records

AT = play()[0].at


async def printed(kind: type[PlainView | JsonLinesView], *lines: str) -> str:
    stream = io.StringIO()
    outlet = Outlet(stream)
    view: View = kind(outlet)
    for record in records(play(*lines)):
        await view.show(record)
    outlet.close()
    return stream.getvalue()


async def test_plain_lines_tell_the_whole_show() -> None:
    assert (await printed(PlainView, "Homework eats the evening. ", "And\nit teaches little.")).splitlines() == [
        "[00:00] This house would ban homework · Duel · Ada (Proposition), Ben (Opposition)",
        "[00:01] -- Opening",
        "[00:03] hint from Mia to Ada: What about rest?",
        "[00:05] Ada answers 1 hint",
        "[00:07] Ada (Proposition): Homework eats the evening.",
        "[00:08] Ada (Proposition): And it teaches little.",
        "[00:10] Ben's turn was skipped: the model is silent",
        "[00:11] The debate has run to its end.",
    ]


async def test_json_lines_are_the_log_and_nothing_steers_the_terminal() -> None:
    lines = (await printed(JsonLinesView, "\x1b[2J\u202eevil\x9b")).splitlines()

    events = [json.loads(line) for line in lines]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["text"] for event in events if event["type"] == "chunk_aired"] == ["\x1b[2J\u202eevil\x9b"]
    assert all(line.isprintable() for line in lines)


async def test_what_happens_beside_the_speeches_is_said_once_and_short() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    view = PlainView(outlet)
    events = [
        play()[0],
        ConnectionUp(at=AT, agent="ada", target="stage", room="r1"),
        ConnectionDown(at=AT, agent="ada", target="stage", reason="the connection broke"),
        ConnectionUp(at=AT, agent="ada", target="stage", room="r2", part=2),
        HintDeclined(at=AT, hint="h2", viewer="v1", reason="too_fast"),
        ShowPaused(at=AT),
        ShowResumed(at=AT),
        ShowPaused(at=AT, why="models"),
        ConnectionDown(at=AT, agent="ada", target="stage", reason="ended", final=True),
        ShowEnded(at=AT, why="budget", detail="1000 tokens"),
    ]
    for record in records(events):
        await view.show(record)
    outlet.close()

    assert stream.getvalue().splitlines()[1:] == [
        "[00:00] Ada lost stage: the connection broke",
        "[00:00] Ada is back on stage, part 2",
        "[00:00] hint declined: too fast",
        "[00:00] the show is paused",
        "[00:00] the show goes on",
        "[00:00] the show waits: no model answers",
        "[00:00] The debate was closed: its budget is used up: 1000 tokens",
    ]


async def test_votes_and_what_came_of_them_are_told() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    view = PlainView(outlet)
    choices = (VoteChoice(id="for", title="Proposition"), VoteChoice(id="undecided", title="Undecided"))
    events = [
        play()[0],
        VoteOpened(at=AT, vote="before", method="swing", choices=choices, seconds=20),
        VoteClosed(at=AT, vote="before"),
        VoteCounted(at=AT, vote="before", target="stage", counts={"for": 3, "undecided": 1}),
        VerdictGiven(at=AT, method="swing", outcome="won", leaders=("for",), changes={"for": 0.25}),
    ]
    for record in records(events):
        await view.show(record)
    outlet.close()

    assert stream.getvalue().splitlines()[1:] == [
        "[00:00] the audience votes before the debate, for 20 s: Proposition, Undecided",
        "[00:00] votes before the debate: Proposition 3, Undecided 1",
        "[00:00] Proposition wins the vote by a swing of +25 points",
    ]


async def test_a_follower_shows_everything_once_and_what_comes_after_the_end_as_well() -> None:
    log, stream = MemoryEventLog(), io.StringIO()
    outlet = Outlet(stream)
    bodies = [encode(event) for event in play("Hello. ")]
    await log.append(stream_of("s1"), bodies, expect=0)
    follower = Follower(log, "s1", (JsonLinesView(outlet),))

    await follower.run()
    after = encode(ConnectionDown(at=AT, agent="ada", target="stage", reason="ended", final=True))
    await log.append(stream_of("s1"), [after], expect=len(bodies))
    await follower.finish()
    outlet.close()

    assert follower.ended is not None
    assert [json.loads(line)["seq"] for line in stream.getvalue().splitlines()] == list(range(1, len(bodies) + 2))


def test_durations_read_as_clocks() -> None:
    assert [clock_time(seconds) for seconds in (-1, 0, 59.9, 61, 3600, 36_061)] == [
        "00:00", "00:00", "00:59", "01:01", "1:00:00", "10:01:01",
    ]  # fmt: skip
