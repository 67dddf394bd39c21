"""What the stage is told of the calendar: coming shows, and what is wrong with the scenarios."""

from collections.abc import Sequence

from debate_caster.calendar.scripts import Scripts
from debate_caster.calendar.season import Calendar, Coming
from debate_caster.show.cast import cast_of
from debate_caster.stage.playbill import ComingShow

__all__ = ["Billing"]


class Billing:
    """A ``stage.playbill.Playbill``."""

    def __init__(self, calendar: Calendar, scripts: Scripts) -> None:
        self._calendar, self._scripts = calendar, scripts

    def coming(self, limit: int, *, each: int) -> Sequence[ComingShow]:
        return [_billed(coming) for coming in self._calendar.coming(limit, each=each)]

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


def _billed(coming: Coming) -> ComingShow:
    scenario = coming.scenario
    return ComingShow(
        id=coming.show,
        title=scenario.title,
        motion=scenario.motion,
        language=scenario.language,
        format=scenario.format.key,
        format_title=scenario.format.title,
        starts_at=coming.slot.due,
        agents=tuple(agent.model_dump(mode="json", exclude={"model", "style", "voice"}) for agent in cast_of(scenario)),
    )
