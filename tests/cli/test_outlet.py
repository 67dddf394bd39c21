import io
import os
import threading

from debate_caster.cli.outlet import MOST_WAITING, Outlet


class StuckStream(io.StringIO):
    """Takes the first text only once it is let go, as a pipe does that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.released.wait(10)
        return super().write(text)


async def test_texts_are_written_in_order() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)

    outlet.put("a")
    taken = await outlet.write("b")
    outlet.put("c")
    outlet.close()

    assert taken
    assert stream.getvalue() == "abc"


async def test_a_stream_that_is_stuck_delays_nobody_and_bounds_what_waits() -> None:
    stream = StuckStream()
    outlet = Outlet(stream)

    outlet.put("first ")
    stream.entered.wait(10)
    for _ in range(MOST_WAITING + 500):
        outlet.put("x")
    outlet.close(timeout_s=0.01)
    stream.released.set()
    outlet.close(timeout_s=5)

    assert stream.getvalue() == "first " + "x" * MOST_WAITING


async def test_a_reader_that_hangs_up_is_noticed_and_raises_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)

        first = await outlet.write("anybody?")
        second = await outlet.write("nobody")
        outlet.put("still nobody")
        outlet.close()

        assert (first, second, outlet.broken) == (False, False, True)
