"""One data folder, several commands on it: what one has kept, the others find."""

import json
import signal
from pathlib import Path

from tests.end_to_end.programs import running, speeches_of, watching, write_scenario

FAST = ("--port", "0", "--speed", "10")


async def test_a_show_that_was_performed_can_be_listed_exported_and_aired_again(tmp_path: Path) -> None:
    async with running("run", write_scenario(tmp_path), *FAST, "--events", "-", cwd=tmp_path) as program:
        show = (await program.line("Watch:")).rpartition("/")[2]
        assert await program.ended() == 0
    performed = speeches_of([json.loads(line) for line in program.stdout])

    async with running("shows", "--json", cwd=tmp_path) as listing:
        assert await listing.ended() == 0
    async with running("export", "latest", "--format", "json", cwd=tmp_path) as export:
        assert await export.ended() == 0
    async with running("replay", "latest", *FAST, "--linger", "2", cwd=tmp_path) as replay:
        page = await replay.line("Watch:")
        async with watching(page) as viewer:
            await viewer.until("show_ended")
        status = await replay.ended()

    assert [(one["id"], one["why"], one["ours"]) for one in map(json.loads, listing.stdout)] == [
        (show, "completed", True)
    ]
    exported = json.loads("\n".join(export.stdout))
    assert [speech["text"] for speech in exported["speeches"]] == [text for _, _, text in performed]
    assert speeches_of(viewer.events) == performed
    assert status == 0


async def test_two_shows_at_once_on_one_data_folder_leave_each_other_alone(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    async with (
        running("run", scenario, *FAST, cwd=tmp_path) as one,
        running("run", scenario, *FAST, cwd=tmp_path) as other,
    ):
        assert await one.ended() == 0
        assert await other.ended() == 0

    remarks = [line for line in one.stderr + other.stderr if "another stage is using" in line]
    async with running("shows", "--json", cwd=tmp_path) as listing:
        await listing.ended()
    shows = [json.loads(line) for line in listing.stdout]
    assert len(remarks) == 1
    assert [show["why"] for show in shows] == ["completed", "completed"]


async def test_a_show_goes_to_a_stage_that_runs_elsewhere(tmp_path: Path) -> None:
    async with running("serve", "--port", "0", "--data-dir", "stage", cwd=tmp_path) as stage:
        page = await stage.line("Stage:")
        async with running("run", write_scenario(tmp_path), "--stage", page, "--speed", "10", cwd=tmp_path) as program:
            await stage.line('{"at"')
            assert await program.ended() == 0
        async with watching(page) as viewer:  # without a show's name: the newest one
            ended = await viewer.until("show_ended")
        stage.signal(signal.SIGTERM)
        status = await stage.ended()

    assert (status, ended["why"]) == (0, "completed")
    assert speeches_of(viewer.events)
    assert not any(line.startswith("Watch:") for line in program.stdout)
