import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from debate_caster.clock import Clock, run_virtual
from debate_caster.pulsar.messages import Register
from debate_caster.stage.passports import Passport, token_of_handshake
from debate_caster.stage.tokens import Token, TokenDesk, TokenRefusedError

KEY = "a signing key that is long enough for every HMAC: 64 characters and more"
ANN = Register(agent_id="ann", name="Ann")


class Scene:
    """A passport, and when it was called over."""

    def __init__(self, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self.clock, self.desk = clock, TokenDesk([KEY], clock=clock)
        self.ended: list[tuple[str, float]] = []
        self.passport = Passport(self.desk, private=False, clock=clock, tasks=tasks, token=None, on_end=self._end)

    async def _end(self, token: Token) -> None:
        self.ended.append((token.id, self.clock.monotonic()))

    def token(self, seconds: float, *, show: str = "", agent: str = "") -> Token:
        raw = self.desk.issue("agent", lasting=timedelta(seconds=seconds), show=show, agent=agent)
        return self.desk.check(raw, role="agent")


@asynccontextmanager
async def scene(clock: Clock) -> AsyncIterator[Scene]:
    async with asyncio.TaskGroup() as tasks:
        played = Scene(clock, tasks)
        yield played
        played.passport.close()


def in_virtual_time(play: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    async def main(clock: Clock) -> None:
        async with scene(clock) as played:
            await play(played)

    run_virtual(main)


def test_an_agent_may_stay_until_its_token_ends_and_no_longer() -> None:
    async def play(scene: Scene) -> None:
        token = scene.token(3600)
        scene.passport.rely_on(token)
        await scene.clock.sleep(3599)
        assert (scene.passport.over, scene.ended) == (False, [])
        await scene.clock.sleep(2)
        assert scene.passport.over
        ((ended, at),) = scene.ended
        assert ended == token.id
        assert at <= scene.clock.monotonic() - 1

    in_virtual_time(play)


def test_a_newer_token_takes_the_older_ones_place() -> None:
    async def play(scene: Scene) -> None:
        scene.passport.rely_on(scene.token(100))
        await scene.clock.sleep(50)
        newer = scene.token(1000)
        scene.passport.rely_on(newer)
        await scene.clock.sleep(900)
        assert not scene.passport.over
        await scene.clock.sleep(200)
        assert [ended for ended, _ in scene.ended] == [newer.id]

    in_virtual_time(play)


def test_a_connection_that_is_gone_waits_for_no_end() -> None:
    async def play(scene: Scene) -> None:
        scene.passport.rely_on(scene.token(100))
        scene.passport.close()
        await scene.clock.sleep(200)
        assert (scene.passport.over, scene.ended) == (False, [])

    in_virtual_time(play)


def test_the_token_of_the_handshake_may_have_ended_before_the_agent_says_who_it_is() -> None:
    async def play(scene: Scene) -> None:
        scene.passport.rely_on(scene.token(10))
        assert scene.passport.admit(ANN, on_air="")
        scene.passport.close()
        await scene.clock.sleep(20)
        with pytest.raises(TokenRefusedError, match="expired"):
            scene.passport.admit(ANN, on_air="")

    in_virtual_time(play)


def test_a_passport_covers_the_shows_that_its_token_names() -> None:
    async def play(scene: Scene) -> None:
        scene.passport.rely_on(scene.token(100, show="friday-1"))
        assert [scene.passport.covers(show) for show in ("friday-1", "saturday-1", "")] == [True, False, False]
        scene.passport.rely_on(scene.token(100))
        assert scene.passport.covers("saturday-1")
        assert scene.passport.covers("")
        scene.passport.rely_on(scene.token(100, agent="bob"))
        with pytest.raises(TokenRefusedError, match="another agent's"):
            scene.passport.admit(ANN, on_air="")

    in_virtual_time(play)


def test_an_open_stage_has_no_passports_to_look_at() -> None:
    async def play(scene: Scene) -> None:
        async def never(_token: Token) -> None:
            raise AssertionError("an open stage showed somebody out")

        async with asyncio.TaskGroup() as tasks:
            passport = Passport(None, private=False, clock=scene.clock, tasks=tasks, token=None, on_end=never)
            assert passport.admit(ANN, on_air="friday-1") is None
            passport.rely_on(None)
            assert passport.covers("any")
        assert token_of_handshake("Bearer whatever", None) is None
        assert token_of_handshake("", scene.desk) is None

    in_virtual_time(play)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "bearer nonsense", "x"])
def test_a_header_that_is_no_token_is_refused(header: str) -> None:
    async def play(scene: Scene) -> None:
        with pytest.raises(TokenRefusedError):
            token_of_handshake(header, scene.desk)

    in_virtual_time(play)
