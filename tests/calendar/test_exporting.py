import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from debate_caster.calendar.exporting import Program, exported
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Schedule
from tests.calendar.plans import entry, scenario

PROGRAM = Program("/opt/my tools/debate-caster", Path("/var/lib/100%"), "registry.example/caster:1")


def lines(form: str, folder: Path, *entries: Schedule) -> list[str]:
    plan = scenario(folder, "friday", *entries).model_copy(update={"title": "50% off\nrm -rf /"})
    return exported(form, [plan], PROGRAM).splitlines()


def test_a_crontab_line_needs_no_cron_that_knows_time_zones(tmp_path: Path) -> None:
    comment, line = lines("crontab", tmp_path, entry("0 20 * * FRI", "Asia/Kolkata"))

    assert comment == "# 50% off rm -rf /: 0 20 * * FRI Asia/Kolkata; in other hours nothing is due, nor happens"
    assert line.startswith("30 * * * * '/opt/my tools/debate-caster' run ")
    assert line.endswith("--slot due --data-dir /var/lib/100\\% --quiet")
    assert lines("crontab", tmp_path, entry("0,15 20 * * *", "Australia/Lord_Howe"))[1].startswith(
        "0,15,30,45 * * * * "
    )


def test_a_schedule_without_entries_needs_no_unit(tmp_path: Path) -> None:
    assert lines("systemd", tmp_path) == []


@pytest.mark.parametrize("form", ["crontab", "systemd", "kubernetes"])
def test_what_other_schedulers_lack_is_refused(tmp_path: Path, form: str) -> None:
    with pytest.raises(SetupError, match="Leave it to `serve`"):
        lines(form, tmp_path, entry("0 20 * * FRI#2"))


def test_a_day_of_the_month_or_of_the_week_is_two_calendar_events(tmp_path: Path) -> None:
    found = lines("systemd", tmp_path, entry("*/30 20 1,15 * SUN,1-2", "Europe/Paris"), entry("5 9 */2 JAN *"))

    assert [line for line in found if line.startswith("OnCalendar=")] == [
        "OnCalendar=*-*-01,15 20:00,30:00 Europe/Paris",
        "OnCalendar=Sun,Mon,Tue *-*-* 20:00,30:00 Europe/Paris",
        "OnCalendar=*-01-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 09:05:00 UTC",
    ]
    assert 'ExecStart="/opt/my tools/debate-caster" run' in "\n".join(found)
    assert '"/var/lib/100%%"' in "\n".join(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="a machine without systemd")
def test_systemd_reads_the_calendar_events_as_we_mean_them(tmp_path: Path) -> None:
    found = lines("systemd", tmp_path, entry("0 20 * * FRI", "Europe/Paris"), entry("0 20 1-7 * MON"))
    for line in found:
        if event := line.removeprefix("OnCalendar=") if line.startswith("OnCalendar=") else "":
            said = subprocess.run(["systemd-analyze", "calendar", event], capture_output=True, text=True, check=False)
            assert "Next elapse" in said.stdout, (event, said.stderr)


def test_kubernetes_gets_a_job_for_each_entry(tmp_path: Path) -> None:
    text = "\n".join(
        lines("kubernetes", tmp_path, entry("0 20 * * FRI-SAT,7", "Europe/Paris"), entry(overlap="replace", grace_s=5))
    )
    first, second = yaml.safe_load_all(text)
    spec: dict[str, Any] = first["spec"]
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]

    assert (first["kind"], first["metadata"]["name"]) == ("CronJob", "debate-friday")
    assert (spec["schedule"], spec["timeZone"]) == ("0 20 * * 0,5,6", "Europe/Paris")
    assert (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"]) == ("Allow", 300)
    assert container["image"] == "registry.example/caster:1"
    assert container["args"] == ["run", "/scenarios/friday.yaml", "--slot", "due", "--data-dir", "/data", "--quiet"]
    assert second["metadata"]["name"] == "debate-friday-2"
    assert (second["spec"]["concurrencyPolicy"], second["spec"]["startingDeadlineSeconds"]) == ("Replace", 10)
