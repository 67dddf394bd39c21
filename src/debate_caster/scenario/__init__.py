"""The script of a show: scenario, personas, formats and the rundown. Pure but for reading files."""

from debate_caster.scenario.author_schema import author_schema
from debate_caster.scenario.loading import check, load_scenario
from debate_caster.scenario.rundown import Phase, Rundown, Turn, plan
from debate_caster.scenario.script import Scenario

__all__ = ["Phase", "Rundown", "Scenario", "Turn", "author_schema", "check", "load_scenario", "plan"]
