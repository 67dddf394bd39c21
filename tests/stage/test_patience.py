import pytest

from debate_caster.clock import ManualClock
from debate_caster.pulsar.frames import Shape
from debate_caster.pulsar.messages import Command, Heartbeat, StreamText
from debate_caster.stage.patience import (
    DROPS_BURST,
    FRAME_BURST,
    HEARTBEAT_BURST,
    REFUSALS_LIMIT,
    WARNING_BURST,
    Patience,
)

LINE = StreamText(shape=Shape.FLAT, text="Hello.")
HEARTBEAT = Heartbeat(shape=Shape.FLAT)


class Scene:
    """An agent that paces itself, or does not, and what it lost by that."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.patience = Patience(self.clock)
        self.taken = self.dropped = 0
        self.warnings: list[str] = []

    def send(self, command: Command) -> bool:
        """Say whether the connection goes on."""
        if not self.patience.take(command):
            self.taken += 1
            return True
        self.dropped += 1
        self.warnings += [warning] if (warning := self.patience.warning()) else []
        return self.patience.bears_drop()

    def send_for(self, seconds: int, *, per_second: int) -> bool:
        for _ in range(seconds * per_second):
            self.clock.advance(1 / per_second)
            if not self.send(LINE):
                return False
        return True


@pytest.mark.parametrize(("command", "burst"), [(LINE, FRAME_BURST), (HEARTBEAT, HEARTBEAT_BURST)])
def test_so_many_at_once_are_taken_and_heartbeats_do_not_wait_behind_lines(command: Command, burst: int) -> None:
    scene = Scene()
    for _ in range(burst + 5):
        scene.send(command)
    assert (scene.taken, scene.dropped) == (burst, 5)
    scene.send(HEARTBEAT if command is LINE else LINE)
    assert scene.taken == burst + 1


def test_who_sends_up_to_twice_what_it_may_loses_lines_for_ever_and_stays() -> None:
    scene = Scene()
    assert scene.send_for(3600, per_second=40)
    assert scene.dropped == pytest.approx(3600 * 20, rel=0.01)


def test_who_sends_far_more_than_it_may_is_given_up() -> None:
    scene = Scene()
    assert not scene.send_for(3600, per_second=200)
    assert scene.clock.monotonic() < 10


def test_a_burst_is_borne_and_forgiven_in_time() -> None:
    scene = Scene()
    for _ in range(3):
        assert all(scene.send(LINE) for _ in range(FRAME_BURST + DROPS_BURST))
        scene.clock.advance(60)
    assert not all(scene.send(LINE) for _ in range(FRAME_BURST + DROPS_BURST + 1))


def test_warnings_are_few_and_account_for_all_that_was_dropped() -> None:
    scene = Scene()
    scene.patience.bears_drop()
    assert scene.patience.warning() == "More than 20 messages a second: this one was dropped."
    assert scene.send_for(60, per_second=40)
    assert len(scene.warnings) <= WARNING_BURST + 60 + 1
    for _ in range(7):
        scene.patience.bears_drop()
    scene.clock.advance(1)
    assert "and so were " in scene.patience.warning()


def test_so_many_refusals_are_the_end_and_one_now_and_then_is_forgiven() -> None:
    clock = ManualClock()
    patience = Patience(clock)
    for _ in range(200):
        assert patience.bears_refusal()
        clock.advance(10)
    assert [patience.bears_refusal() for _ in range(REFUSALS_LIMIT)] == [True] * (REFUSALS_LIMIT - 1) + [False]
