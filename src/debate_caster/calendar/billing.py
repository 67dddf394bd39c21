"""What the stage is told of the calendar: coming shows, and what is wrong with the scenarios."""

from collections.abc import Callable, Iterator, Sequence

from debate_caster.calendar.production import Coming
from debate_caster.calendar.scripts import Scripts
from debate_caster.calendar.season import Calendar
from debate_caster.scenario.script import Scenario
from debate_caster.show.cast import cast_of
from debate_caster.stage.playbill import ComingShow

__all__ = ["Billing"]


class Billing:
    """A ``stage.playbill.Playbill``.

    Args:
        calendar: What is planned.
        scripts: The files, as far as something is wrong with them.
        motions: Tells what the coming shows of a series are about, in their order; none where that is not known.
    """

    def __init__(
        self, calendar: Calendar, scripts: Scripts, *, motions: Callable[[Scenario], Iterator[str]] = lambda _: iter(())
    ) -> None:
        self._calendar, self._scripts, self._motions = calendar, scripts, motions

    def coming(self, limit: int, *, each: int) -> Sequence[ComingShow]:
        ahead: dict[str, Iterator[str]] = {}
        billed = []
        for coming in self._calendar.coming(limit, each=each):
            motions = ahead.setdefault(coming.scenario.key, self._motions(coming.scenario))
            billed.append(_billed(coming, next(motions, coming.scenario.motion)))
        return billed

    def problems(self) -> Sequence[str]:
        """Say what holds instead, and nothing of the files' contents: this is public."""
        kept = {scenario.key for scenario in self._calendar.scenarios}
        mistakes = [
            f"The scenario {name} has a mistake: "
            + ("its last good version holds." if name in kept else "it is not on the calendar.")
            for name in sorted(self._scripts.problems)
        ]
        unpaid = sorted(scenario.title for scenario in self._calendar.unpaid)
        return mistakes + [f"The last show of {title} was left out: it was not in the budget." for title in unpaid]

    def failing(self) -> str | None:
        return None if self._calendar.failure is None else "the calendar's ledger can't be read or written"


def _billed(coming: Coming, motion: str) -> ComingShow:
    scenario = coming.scenario
    return ComingShow(
        id=coming.show,
        title=scenario.title,
        motion=motion,
        language=scenario.language,
        format=scenario.format.key,
        format_title=scenario.format.title,
        starts_at=coming.slot.due,
        agents=tuple(agent.model_dump(mode="json", exclude={"model", "style", "voice"}) for agent in cast_of(scenario)),
    )
