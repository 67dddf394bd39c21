import asyncio
import os
import signal

import pytest

from debate_caster.cli.interruption import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_asks_and_the_second_ends(number: signal.Signals) -> None:
    stop, ended = asyncio.Event(), asyncio.Event()
    said: list[object] = []

    def end(status: int) -> None:
        said.append(status)
        ended.set()

    with stop_on_signals(stop, at_once=lambda: said.append("closing"), exit_at_once=end):
        os.kill(os.getpid(), number)
        await stop.wait()
        assert said == []
        os.kill(os.getpid(), number)
        await ended.wait()

    assert said == ["closing", 130]


async def test_each_signal_asks_for_one_thing_more_whoever_else_asked_for_it() -> None:
    stop, cut, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    with stop_on_signals(stop, cut, at_once=lambda: None, exit_at_once=lambda _status: ended.set()) as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        assert not cut.is_set()
        cut.set()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        await ended.wait()

    assert interruption.number == signal.SIGTERM


async def test_what_signals_did_before_they_do_again() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    with stop_on_signals(asyncio.Event(), at_once=lambda: None):
        pass

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


async def test_a_signal_that_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = asyncio.Event()
    try:
        with stop_on_signals(stop, at_once=lambda: None):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert not stop.is_set()
