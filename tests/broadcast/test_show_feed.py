"""What a peer that knows shows is told, over a whole connection."""

from datetime import datetime
from typing import Any

import pytest

from debate_caster.broadcast import Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.show.events import (
    ConnectionDown,
    HintAccepted,
    HintDeclined,
    HintHeld,
    HintOffered,
    HintTaken,
    HintUsed,
    MoneySpent,
    PhaseStarted,
    ProducerActed,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ThoughtNoted,
    ToolCalled,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
)
from tests.broadcast.performance import SHOW, Performance, cast
from tests.pulsar_servers.flat import ExtendedServer


def turn(number: int, speaker: str, at: datetime) -> list[ShowEvent]:
    return [
        TurnPrepared(at=at, turn=number, phase=0, speaker=speaker, prompt_digest="canary", prompt_words=7),
        ThoughtNoted(at=at, turn=number, speaker=speaker, text="thinking"),
        ToolCalled(at=at, turn=number, speaker=speaker, call="c1", name="search"),
        TurnStarted(at=at, turn=number, phase=0, speaker=speaker, max_words=100, prompt_digest="canary"),
    ]


async def perform(show: Performance) -> None:
    """Write two turns with everything that may be in a log around them."""
    now = show.clock.now()
    await show.start()
    await show.append(PhaseStarted(at=now, phase=0, key="opening", title="Opening", speaker="bob"))
    await show.append(HintOffered(at=now, hint="h1", viewer="canary", name="Zoe", text="And birds?"))
    await show.append(HintAccepted(at=now, hint="h1", viewer="canary", name="Zoe", text="And birds?", to="ada"))
    await show.append(HintDeclined(at=now, hint="h2", viewer="canary", reason="duplicate"))
    for number, speaker in enumerate(("bob", "ada")):
        for event in turn(number, speaker, now):
            await show.append(event)
        for line in range(3):
            await show.say(speaker, f"{speaker} makes point {line}. ", turn=number)
        await show.append(
            MoneySpent(at=now, turn=number, model="canary", attempt=1, prompt_tokens=1, completion_tokens=1)
        )
        await show.append(TurnEnded(at=now, turn=number, speaker=speaker, how="completed", chunks=3, words=12))
    await show.append(HintUsed(at=now, hint="h1", viewer="canary", turn=1, speaker="ada"))
    await show.end()


def aired(server: ExtendedServer) -> list[tuple[str, str]]:
    """Return who aired what, in order."""
    return [
        (frame["agent"].rsplit("-", 1)[0], frame["event"]["type"] if "event" in frame else frame["text"])
        for frame in server.aired
    ]


@pytest.mark.parametrize("air_thoughts", [False, True])
def test_everything_public_is_aired_in_the_order_of_the_log_by_whom_it_concerns(air_thoughts: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"), air_thoughts=air_thoughts)
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                await perform(show)
            expected = [
                ("ada", "show_started"),
                ("bob", "phase_started"),
                ("ada", "hint_accepted"),
                ("ada", "hint_declined"),
            ]
            for speaker in ("bob", "ada"):
                thoughts = ["thought_noted", "tool_called"] if air_thoughts else []
                lines = [f"{speaker} makes point {line}. " for line in range(3)]
                whole = ("turn_prepared", *thoughts, "turn_started", *lines, "turn_ended")
                expected += [(speaker, what) for what in whole]
            expected += [("ada", "hint_used"), ("ada", "show_ended")]
            assert aired(server) == expected
            refs = [frame["ref"] for frame in server.aired]
            assert refs == sorted(set(refs))
            assert "canary" not in str(server.aired)

    run_virtual(main)


@pytest.mark.parametrize("features", [ExtendedServer.features, (*ExtendedServer.features, "control")])
def test_only_a_peer_that_knows_producers_hears_of_pauses_and_of_hints_that_wait(features: tuple[str, ...]) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        now = clock.now()
        async with ExtendedServer(clock) as server:
            server.features = features  # type: ignore[assignment]  # of this one alone
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.append(HintOffered(at=now, hint="h1", viewer="canary", text="And birds?"))
                await show.append(HintHeld(at=now, hint="h1", viewer="canary", text="And birds?"))
                await show.append(ProducerActed(at=now, command="pause", by="canary"))
                await show.append(ShowPaused(at=now))
                await show.append(ShowResumed(at=now))
                await show.end()
            told = [what for _, what in aired(server)]
            extra = ["hint_held", "show_paused", "show_resumed"] if "control" in features else []
            assert told == ["show_started", *extra, "show_ended"]
            assert "canary" not in str(server.aired)

    run_virtual(main)


def test_each_room_claims_its_place_in_the_show() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.end()
            claims = sorted(server.claims, key=lambda claim: int(claim["order"]))
            assert claims[0].pop("key") == claims[1].pop("key")
            assert claims == [
                {
                    "id": SHOW.id, "title": SHOW.title, "motion": SHOW.motion, "language": "en",
                    "agent": agent, "role": "debater", "side": agent, "order": order,
                }
                for order, agent in enumerate(("ada", "bob"))
            ]  # fmt: skip

    run_virtual(main)


def test_no_target_learns_the_key_that_another_one_knows_the_show_by() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as one, ExtendedServer(clock) as two:
            async with show.on(Target("one", one.url), Target("two", two.url)):
                await show.end()
            keys = {claim["key"] for server in (one, two) for claim in server.claims}
            assert len(keys) == 2
            assert SHOW.key not in str(one.received) + str(two.received)

    run_virtual(main)


def test_a_show_id_that_somebody_else_has_taken_is_said_and_not_repeated() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server:
            server.faults.deny_reason = "show_key"
            async with show.on(Target("t", server.url), until_live=False):
                await clock.sleep(300)
            assert show.reports["ada", "t"].problem == "the broadcast was denied: show_key"
            assert len(server.handshakes) == 1

    run_virtual(main)


def test_the_number_of_viewers_is_what_was_last_said() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server, show.on(Target("t", server.url)):
            connection = show.connections["ada", "t"]
            assert connection.viewers is None
            for count in (3, 5):
                body: dict[str, Any] = {"broadcastId": server.rooms_of("ada")[0].id, "hints": [], "viewers": count}
                await server.reply(server.named("Ada").socket, "viewer_context", body)
            await clock.sleep(1)
            assert connection.viewers == 5
            await show.end()

    run_virtual(main)


def test_a_used_hint_is_aired_with_its_words_also_after_a_drop() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        now = clock.now()
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.append(HintAccepted(at=now, hint="h1", viewer="v", name="Zoe", text="And birds?"))
                await clock.sleep(1)
                server.drop("Ada")
                await clock.sleep(5)
                hints = (HintTaken(id="h2", viewer="v", name="Max", text="And fish?"),)
                await show.append(TurnStarted(at=now, turn=0, phase=0, speaker="ada", max_words=9, hints=hints))
                await show.append(HintUsed(at=now, hint="h1", viewer="v", turn=0, speaker="ada"))
                await show.append(HintUsed(at=now, hint="h2", viewer="v", turn=0, speaker="ada"))
                await show.end()
            used = [frame["event"] for frame in server.aired if frame.get("event", {}).get("type") == "hint_used"]
            assert [(event["hint"], event["name"], event["text"]) for event in used] == [
                ("h1", "Zoe", "And birds?"),
                ("h2", "Max", "And fish?"),
            ]

    run_virtual(main)


@pytest.mark.parametrize("may_resume", [True, False], ids=["resumed", "new room"])
def test_after_a_drop_it_goes_on_after_the_last_frame_that_was_taken(may_resume: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with ExtendedServer(clock) as server:
            server.may_resume = may_resume
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(12):
                    if number in {3, 7}:
                        server.drop("Ada")
                    await show.say("ada", f"Point {number}. ")
                await show.end()
            assert [frame["text"] for frame in server.aired if "text" in frame] == show.said["ada"]
            assert len(server.rooms_of("ada")) == (1 if may_resume else 3)
            assert len(show.reports["ada", "t"].rooms) == len(server.rooms_of("ada"))
            assert show.reports["ada", "t"].delivered == 12

    run_virtual(main)


def test_what_was_not_acknowledged_is_sent_again_and_aired_once() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server:
            server.ack_none_after = 4
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(8):
                    await show.say("ada", f"Point {number}. ", pause_s=1.0)
                assert show.connections["ada", "t"]._tally.delivered == 3
                server.ack_none_after = None
                server.drop("Ada")
                await clock.sleep(10)
                await show.end()
            assert [frame["text"] for frame in server.aired if "text" in frame] == show.said["ada"]
            assert show.reports["ada", "t"].delivered == show.reports["ada", "t"].sent == 8

    run_virtual(main)


def test_a_peer_that_stops_acknowledging_is_left() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server:
            server.ack_none_after = 0
            async with show.on(Target("t", server.url)):
                for number in range(80):
                    await show.say("ada", f"Point {number}. ", pause_s=0.1)
                await clock.sleep(30)
                server.ack_none_after = None
                await clock.sleep(30)
                await show.end()
            reasons = {state.reason for state in show.states if isinstance(state, ConnectionDown) and not state.final}
            assert reasons == {"the peer acknowledges nothing any more"}
            assert own(server) == show.said["ada"]

    run_virtual(main)


def test_an_event_that_the_peer_refuses_holds_up_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with ExtendedServer(clock) as server:
            server.refuse_events = {"show_ended", "phase_started"}
            async with show.on(Target("t", server.url)):
                await perform(show)
                ended = clock.monotonic()
            assert clock.monotonic() - ended < 1.0
            assert {report.problem for report in show.reports.values()} == {""}
            assert show.reports["ada", "t"].refused == show.reports["bob", "t"].refused == 1

    run_virtual(main)


def test_a_peer_that_cannot_keep_its_log_gets_everything_again() -> None:
    async def main(clock: VirtualClock) -> None:
        class FullDisk(ExtendedServer):
            full = False

            async def _air(self, socket: Any, room: Any, type_: str, body: dict[str, Any]) -> None:
                if self.full:
                    await self.reply(socket, "error", {"code": "LOG_UNAVAILABLE"})
                else:
                    await super()._air(socket, room, type_, body)

        show = Performance(clock, cast("ada"))
        async with FullDisk(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(9):
                    server.full = number in {3, 4}
                    await show.say("ada", f"Point {number}. ", pause_s=3.0)
                await show.end()
            assert [frame["text"] for frame in server.aired if "text" in frame] == show.said["ada"]

    run_virtual(main)


def test_a_peer_claiming_to_have_what_was_never_sent_skips_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.say("ada", "One. ")
                await server.reply(server.named("Ada").socket, "text_ack", {"ref": 10**9, "seq": 1})
                await clock.sleep(1)
                server.drop("Ada")
                await show.say("ada", "Two. ")
                await show.end()
            assert own(server) == show.said["ada"]

    run_virtual(main)


def own(server: ExtendedServer) -> list[str]:
    return [frame["text"] for frame in server.aired if "text" in frame]


def test_an_agent_on_air_that_lags_is_waited_for_a_moment_and_once() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with ExtendedServer(clock) as server, show.on(Target("t", server.url)):
            await show.say("bob", "I begin. ")
            server.named("Bob").socket.transport.pause_reading()
            await show.say("bob", "Nobody hears this yet. ")
            began = clock.monotonic()
            for number in range(3):
                await show.say("ada", f"Point {number}. ", turn=1)
            heard = [frame.at - began for frame in server.sent_texts("ada")]
            assert heard == pytest.approx([0.8, 2.0, 4.0], abs=0.05)
            await clock.sleep(60)
            await show.end()

    run_virtual(main)


def test_a_fast_log_is_aired_as_fast_as_it_is_acknowledged() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                for number in range(200):
                    await show.say(("ada", "bob")[number // 10 % 2], f"{number} ", turn=number // 10, pause_s=0.0)
                await show.end()
            assert [text for _, text in aired(server)][:200] == [f"{number} " for number in range(200)]
            assert clock.monotonic() < 1.0

    run_virtual(main)
