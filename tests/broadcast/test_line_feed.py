"""Lines on servers that behave as Pulsar v1 and v2 do: paced, proven, mirrored; sockets are real, time is not."""

import itertools
from random import Random

import pytest

from debate_caster.broadcast import Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.pulsar.text import starts_alike, utf16_length
from tests.broadcast.performance import Performance, cast
from tests.broadcast.scenes import (
    PULSAR,
    Kind,
    debate,
    gaps,
    mirrored_text,
    most_within_a_second,
    own_text,
    without_lead,
)

# -- pacing ------------------------------------------------------------------------------------------------------------


@PULSAR
def test_lines_are_two_seconds_apart_whatever_the_log_does_and_also_after_a_drop(kind: Kind) -> None:
    assert sent_apart(kind, lines=300) >= 200


@pytest.mark.soak
@pytest.mark.timeout(120)
@PULSAR
def test_a_thousand_lines_are_two_seconds_apart(kind: Kind) -> None:
    assert sent_apart(kind, lines=1500) >= 1000


def sent_apart(kind: Kind, *, lines: int) -> int:
    """Have three agents say so many lines, their connections cut now and then; return how many texts were sent."""

    async def main(clock: VirtualClock) -> int:
        sent = 0
        show = Performance(clock, cast("ada", "bob", "cat"))
        random = Random(5)
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(lines):
                    if number % 60 == 59:
                        server.drop(random.choice(["Ada", "Bob", "Cat"]))
                    speaker = ("ada", "bob", "cat")[number // 5 % 3]
                    pause_s = random.choice([0.0, 0.1, 2.0, 3.0])
                    await show.say(speaker, f"Point {number}, at some length. ", turn=number // 5, pause_s=pause_s)
                await clock.sleep(30)
                await show.end()
            for agent in ("ada", "bob", "cat"):
                assert own_text(server, agent) == show.text_of(agent)
                assert min(gaps(server.sent_texts(agent))) > 1.9999999
                mine = [frame for frame in server.received if frame.agent_id.startswith(agent)]
                assert most_within_a_second(mine) <= 10
                sent += len(server.sent_texts(agent))
            assert server.warnings == []
        return sent

    return run_virtual(main)


@PULSAR
def test_a_backlog_is_joined_into_few_lines_within_the_limit(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            await server.stop()
            async with show.on(Target("t", server.url), until_live=False):
                await show.start()
                for number in range(60):
                    await show.say("ada", f"{number} " + "long speech 😀 " * 15, pause_s=0.5)
                await server.start()
                await clock.sleep(90)
                await show.end()
            texts = server.rooms_of("ada")[0].texts()
            assert "".join(texts) == show.text_of("ada")
            assert len(texts) <= 6
            assert max(utf16_length(text) for text in texts) <= 3500

    run_virtual(main)


@PULSAR
def test_lines_that_start_alike_are_never_within_five_seconds(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(12):
                    await show.say(("ada", "bob")[number % 2], "No. ", turn=number)
                await clock.sleep(60)
                await show.end()
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)
                said = [
                    frame
                    for frame in server.received
                    if frame.type.startswith("stream") and frame.agent_id.startswith(agent)
                ]
                for first, second in itertools.combinations(said, 2):
                    assert not starts_alike(first.body["text"], second.body["text"]) or second.at - first.at > 5.0
            assert server.warnings == []

    run_virtual(main)


@PULSAR
@pytest.mark.parametrize("code", ["RATE_LIMIT_EXCEEDED", "DUPLICATE_MESSAGE", "SOMETHING_NEW"])
def test_a_line_that_the_server_dropped_is_said_again(kind: Kind, code: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(4):
                    server.faults.warn = code
                    await show.say("ada", f"Point {number}. ", pause_s=8.0)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")
            assert server.warnings == [code] * 4

    run_virtual(main)


# -- mirroring ---------------------------------------------------------------------------------------------------------


@PULSAR
@pytest.mark.parametrize("names", [("ada", "bob"), ("ada", "bob", "cat")], ids=["two rooms", "three rooms"])
def test_every_room_shows_the_whole_debate_in_order(kind: Kind, names: tuple[str, ...]) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast(*names))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=6)
                await show.end()
            debated = [
                f"{names[turn % len(names)]} makes point {line} of turn {turn}. "
                for turn in range(6)
                for line in range(3)
            ]
            for name in names:
                (room,) = server.rooms_of(name)
                assert [without_lead(line.text) for line in room.lines] == debated
                assert all((line.role == "host") == (line.name == name.title()) for line in room.lines)
                assert max(abs(line.at - 2.0 * place) for place, line in enumerate(room.lines)) < 0.5
            assert show.remarks == []
            assert server.warnings == []

    run_virtual(main)


@PULSAR
def test_a_room_opened_anew_gets_what_the_others_said_meanwhile(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("ada", "I begin. ")
                server.faults.status = 503
                server.drop("Ada")
                for number in range(5):
                    await show.say("bob", f"Answer {number}. ", turn=1)
                server.faults.status = 0
                await clock.sleep(40)
                await show.say("ada", "I am back. ", turn=2)
                await show.end()
            assert [room.ended for room in server.rooms_of("ada")] == ["host_disconnected", "completed"]
            assert mirrored_text(server, "ada", "bob") == show.text_of("bob")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")

    run_virtual(main)


@PULSAR
def test_long_lines_are_mirrored_in_pieces_that_no_server_cuts(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("ada", "A sentence with 👨‍👩‍👧‍👦 in it. " * 100, pause_s=20)
                await show.say("ada", "👨‍👩‍👧‍👦" * 400, turn=2, pause_s=20)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")
            chats = [frame.body["text"] for frame in server.received if frame.type == "stream_chat"]
            assert max(utf16_length(text) for text in chats) <= 1000

    run_virtual(main)


@PULSAR
def test_without_mirroring_nobody_chats(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url, mirror=False)):
                await debate(show)
                await show.end()
            assert {frame.type for frame in server.received} <= {
                "register", "broadcast_start", "stream_text", "heartbeat", "broadcast_end"
            }  # fmt: skip

    run_virtual(main)
