"""The herald: announces shows to come, when they are put on the calendar and shortly before they begin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from debate_caster.announce.courier import Courier, receivers_of
from debate_caster.announce.notices import about_planned
from debate_caster.clock import Clock
from debate_caster.scenario.script import AnnounceScript, NoticeKind, Scenario

__all__ = ["Herald", "Planned"]

STEP_S = 15.0
"""How often the calendar is looked at, in seconds: an edit of a schedule is noticed within it. A look at 200 schedules
takes 50 ms of processor time."""

_Said = tuple[str, str, NoticeKind]


@dataclass(frozen=True, slots=True)
class Planned:
    """A show to come."""

    scenario: Scenario
    show: str
    starts_at: datetime


class Herald:
    """Announces what ``planned`` says is coming of each scenario.

    Args:
        courier: Takes the announcements.
        scenarios: The scenarios as they are now.
        planned: Returns the next shows of the scenario of that name, in order.
        page: Where people find out about them; empty where they can't.
        clock: The machine's.
    """

    def __init__(
        self,
        courier: Courier,
        *,
        scenarios: Callable[[], Sequence[Scenario]],
        planned: Callable[[str], Sequence[Planned]],
        page: str,
        clock: Clock,
    ) -> None:
        self._courier, self._scenarios, self._planned = courier, scenarios, planned
        self._page, self._clock = page, clock
        self._said: set[_Said] = set()

    async def run(self) -> None:
        """Announce, for ever."""
        while True:
            wait_s = await self.look()
            await self._clock.sleep(wait_s)

    async def look(self) -> float:
        """Announce what is to be by now; return after how many seconds to look again."""
        scenarios = self._scenarios()
        for scenario in scenarios:
            self._courier.serve(scenario)
        wait_s, said = STEP_S, set[_Said]()
        for scenario in scenarios:
            if _announces_ahead(scenario):
                wait_s = min(wait_s, await self._look_at(scenario, said))
                await self._clock.sleep(0)  # shows are on the air meanwhile
        self._said &= said
        return wait_s

    async def _look_at(self, scenario: Scenario, said: set[_Said]) -> float:
        """Announce what is to be of one scenario's shows; add to ``said`` what may be; return when to look again."""
        wait_s = STEP_S
        for number, show in enumerate(self._planned(scenario.key)):
            now = self._clock.now()
            if number == 0:
                await self._say(show, "scheduled", show.scenario.announce, now)
            left_s = (show.starts_at - now).total_seconds()
            due = [script for script in show.scenario.announce if left_s <= script.before_s]
            await self._say(show, "starting_soon", due, now)
            ahead = [left_s - script.before_s for script in show.scenario.announce if left_s > script.before_s]
            wait_s = min([wait_s, *ahead])
            said.update(_sayings(show))
        return wait_s

    async def _say(self, show: Planned, kind: NoticeKind, scripts: Sequence[AnnounceScript], now: datetime) -> None:
        known = receivers_of(show.scenario)
        new = {
            said
            for script in scripts
            if script in known and kind in script.on and (said := (show.show, known[script], kind)) not in self._said
        }
        if not new:
            return
        notice = about_planned(kind, show.scenario, show=show.show, starts_at=show.starts_at, at=now, url=self._page)
        receivers = {receiver for _, receiver, _ in new}
        if await self._courier.announce(show.scenario, notice, to=lambda script: known[script] in receivers):
            self._said |= new


def _announces_ahead(scenario: Scenario) -> bool:
    return any({"scheduled", "starting_soon"} & set(script.on) for script in scenario.announce)


def _sayings(show: Planned) -> list[_Said]:
    return [
        (show.show, receiver, kind)
        for receiver in receivers_of(show.scenario).values()
        for kind in ("scheduled", "starting_soon")
    ]
