from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.programs import running, write_scenario
from tests.faults.killing import Death, broken_invariants, perform_with_deaths

PACING = {"chars_per_second": 1000, "min_interval_s": 0.03, "gap_s": 0.05, "lead_min_s": 0.05, "lead_max_s": 0.2}


@pytest.mark.timeout(120)  # five runs of the program, on a busy machine
async def test_a_show_survives_being_killed_four_times(tmp_path: Path) -> None:
    deaths = [
        Death(after_events=12, after_s=0.03),
        Death(at="show/:after:15"),
        Death(at="air/:after:12"),
        Death.at_random(Random(20), events=30),
    ]

    show = await perform_with_deaths(write_scenario(tmp_path, pacing=PACING), tmp_path, deaths)

    assert broken_invariants(show) == []
    assert show.status == 0
    assert show.deaths == len(deaths)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(5))
async def test_a_show_survives_being_killed_at_random_points(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    deaths = [Death.at_random(random, events=25) for _ in range(4)]
    scenario = write_scenario(tmp_path, pacing=PACING, format="oxford", moderator="vera")

    show = await perform_with_deaths(scenario, tmp_path, deaths)

    assert show.logged[0]["turns"] >= 12
    assert sum(agent["moderator"] for agent in show.logged[0]["agents"]) == 1
    assert broken_invariants(show) == []
    assert show.status == 0
    assert show.deaths == len(deaths)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(10))
async def test_a_show_survives_ten_deaths_between_storing_and_saying_so(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    deaths = [Death(at=f"{random.choice(['show/', 'air/'])}:after:{random.randint(1, 9)}") for _ in range(10)]

    show = await perform_with_deaths(write_scenario(tmp_path, pacing=PACING), tmp_path, deaths)

    assert broken_invariants(show) == []
    assert show.status == 0
    assert show.deaths == len(deaths)


@pytest.mark.timeout(150)
async def test_a_show_whose_scenario_has_changed_does_not_go_on_with_another_debate(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pacing=PACING)
    async with running("run", scenario, "--stage", "none", cwd=tmp_path) as program:
        await program.line("[00:0")
        program.process.kill()
        await program.ended()
    write_scenario(tmp_path, motion="This house would do something else")
    async with running("run", "--resume", "latest", cwd=tmp_path) as program:
        changed = await program.ended(), program.stderr[-1]
    scenario.unlink()
    async with running("run", "--resume", "latest", cwd=tmp_path) as program:
        gone = await program.ended(), program.stderr[-1]
    async with running("shows", cwd=tmp_path) as program:
        await program.ended()

    assert changed[0] == gone[0] == 2
    assert "is not the debate that homework-" in changed[1]
    assert "Undo that" in changed[1]
    assert f"the scenario {scenario}" in gone[1]
    assert "Put it back, or name it" in gone[1]
    assert "broken off" in program.stdout[1]
