"""The rundown of every shipped format as a table; ``python -m tests.scenario.golden_tables`` writes them anew."""

from pathlib import Path

from debate_caster.scenario.rundown import Rundown, plan
from tests.scenario.companies import SHIPPED_FORMATS, company, shipped_format

GOLDEN = Path(__file__).parent / "golden"


def tables(name: str) -> str:
    """Return the format's rundown for the fewest and the most debaters, without and with a moderator."""
    rules = shipped_format(name)
    parts = []
    for debaters in sorted({rules.min_agents, rules.max_agents}):
        for moderated in (False, True):
            rundown = plan(company(rules, debaters, moderated=moderated))
            heading = f"{name}, {debaters} debaters, {'a' if moderated else 'no'} moderator"
            parts.append(f"# {heading}, at most {rundown.max_words} words\n\n{table(rundown)}")
    return "\n".join(parts)


def table(rundown: Rundown) -> str:
    lines = []
    for phase in rundown.phases:
        lines.append(f"{phase.index} {phase.key}: {phase.title}")
        for index in phase.turns:
            turn = rundown.turns[index]
            addressed = f" to {turn.addresses}" if turn.addresses else ""
            speaker = f"{turn.speaker}{addressed} ({turn.side or '-'}, {turn.stance})"
            opens = ", opens" if turn.opens else ""
            lines.append(f"  {turn.index:2} {speaker}: {turn.role}, {turn.kind}, {turn.max_words} words{opens}")
            lines.append(f"     {turn.instruction}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for each in SHIPPED_FORMATS:
        (GOLDEN / f"{each}.txt").write_text(tables(each), encoding="utf-8")
