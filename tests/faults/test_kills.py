from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.programs import write_scenario
from tests.faults.killing import Death, broken_invariants, perform_with_deaths

PACING = {"chars_per_second": 1000, "min_interval_s": 0.03, "gap_s": 0.05, "lead_min_s": 0.05, "lead_max_s": 0.2}


@pytest.mark.timeout(90)  # five runs of the program, on a busy machine
async def test_a_show_survives_being_killed_at_random_points(tmp_path: Path) -> None:
    random = Random(20)
    deaths = [Death(after_events=12, after_s=0.03), *(Death.at_random(random, events=40) for _ in range(3))]

    show = await perform_with_deaths(write_scenario(tmp_path, pacing=PACING), tmp_path, deaths)

    assert broken_invariants(show) == []
    assert show.status == 0
    assert show.deaths == len(deaths)
