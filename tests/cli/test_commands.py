"""The commands as a user types them, in this process: what they print and how they end."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from debate_caster.cli.command_line import main, parser
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.session import COMMANDS
from debate_caster.log import SqliteEventLog
from debate_caster.settings import Settings
from debate_caster.show.events import encode, stream_of
from tests.cli.stage_play import play
from tests.end_to_end.programs import write_scenario

ROOT = Path(__file__).parents[2]


@dataclass
class Said:
    status: int
    out: str
    err: str


class Say(Protocol):
    def __call__(self, *arguments: str | Path) -> Said: ...


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    def run(*arguments: str | Path) -> Said:
        status = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return run


def keep_past_shows(*shows: str) -> None:
    """Put shows that have been performed into the data folder; each is named like its motion."""

    async def write() -> None:
        folder = DataFolder(Settings().data_dir)
        async with folder.open(folder.show_log) as log:
            for show in shows:
                events = play("Homework eats the evening. ", "And it \x1b[31mteaches little.", motion=f"Motion {show}")
                first = events[0].model_copy(update={"show": show})
                await log.append(stream_of(show), [encode(event) for event in (first, *events[1:])], expect=0)

    asyncio.run(write())


# -- the command line ------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_the_exit_status(say: Say) -> None:
    said = say("--help")

    assert said.status == 0
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", said.out, re.MULTILINE)
    assert "130  interrupted" in said.out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example_that_parses(command: str, say: Say) -> None:
    said = say(command, "--help")

    examples = re.findall(r"^  debate-caster (.*)$", said.out, re.MULTILINE)
    assert said.status == 0
    assert examples
    for example in examples:
        parser().parse_args(re.split(r" [|>] ", example)[0].split())


def test_defaults_in_the_help_are_the_settings_own(say: Say) -> None:
    said = say("run", "--help")

    assert f"default: {Settings.model_fields['host'].default}" in said.out
    assert f"default: {Settings.model_fields['port'].default}, or the" in said.out
    assert f"default: {Settings.model_fields['stage'].default}" in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["perform"], id="no-such-command"),
        pytest.param(["run"], id="no-scenario"),
        pytest.param(["run", "x.yaml", "--port", "70000"], id="no-port"),
        pytest.param(["run", "x.yaml", "--port", "-1"], id="negative-port"),
        pytest.param(["run", "x.yaml", "--speed", "0"], id="no-speed"),
        pytest.param(["run", "x.yaml", "--speed", "inf"], id="infinite-speed"),
        pytest.param(["run", "x.yaml", "--linger", "-2"], id="negative-time"),
        pytest.param(["run", "x.yaml", "--sp", "2"], id="abbreviation"),
        pytest.param(["export", "x", "--format", "pdf"], id="no-such-format"),
        pytest.param(["shows", "--limit", "many"], id="not-a-number"),
        pytest.param(["shows", "--limit", "0"], id="none-at-all"),
    ],
)
def test_bad_usage_is_status_2_and_says_what(arguments: list[str], say: Say) -> None:
    said = say(*arguments)

    assert said.status == 2
    assert "error: " in said.err
    assert said.out == ""


def test_a_bad_setting_is_status_2(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBATE_CASTER_PORT", "seventy")

    said = say("shows")

    assert said.status == 2
    assert said.err.startswith("debate-caster: bad settings: DEBATE_CASTER_PORT: ")


def test_a_bug_is_logged_and_said_and_status_1(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debate_caster.cli.checking.find_problems", lambda *_, **__: 1 / 0)

    said = say("check", ".")

    assert said.status == 1
    assert '"event": "bug"' in said.err
    assert "ZeroDivisionError" in said.err
    assert "that is a bug" in said.err


def test_a_misspelt_setting_is_mentioned(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBATE_CASTER_PROT", "1")

    said = say("shows")

    assert '"did_you_mean": "DEBATE_CASTER_PORT"' in said.err


# -- check, schema, rehearse -----------------------------------------------------------------------------------------


def test_check_reports_every_problem_of_every_file_in_one_pass(say: Say, tmp_path: Path) -> None:
    Path("one.yaml").write_text("motion: x\nfoo: 1\nformat: dul\nagents: [wren, otis]\n")
    Path("two.yaml").write_text("motion: [\n")

    said = say("check", ".")

    assert said.status == 2
    assert re.search(r"^one\.yaml:2:1: foo: unknown key", said.out, re.MULTILINE)
    assert re.search(r"^one\.yaml:3:9: format: .*did you mean 'duel'", said.out, re.MULTILINE)
    assert re.search(r"^two\.yaml:\d+:\d+: ", said.out, re.MULTILINE)


def test_check_finds_the_shipped_scenarios_good(say: Say) -> None:
    said = say("check", ROOT / "scenarios")

    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("no problem in ")


def test_check_asks_for_variables_only_when_told_to(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    models = {"m": {"provider": "openai", "model": "m", "api_key": "${NO_SUCH_KEY}"}}
    scenario = write_scenario(tmp_path, models=models)

    assert say("check", scenario).status == 0
    said = say("check", scenario, "--environment")
    assert said.status == 2
    assert "NO_SUCH_KEY is not set" in said.out
    Path(".env").write_text("NO_SUCH_KEY=there-it-is\n")
    assert say("check", scenario, "--environment").status == 0


@pytest.mark.parametrize("kind", ["scenario", "persona", "format"])
def test_schema_prints_a_json_schema(kind: str, say: Say) -> None:
    said = say("schema", kind)

    assert said.status == 0
    assert json.loads(said.out)["title"] == f"debate-caster {kind}"


def test_rehearse_asks_nobody_whether_a_text_may_be_aired(say: Say, tmp_path: Path) -> None:
    moderation = {"hook": {"url": "http://127.0.0.1:9/"}, "words": ["homework"]}

    said = say("rehearse", write_scenario(tmp_path, moderation=moderation))

    assert "speech_held_back" in said.err
    assert "review_failed" not in said.out + said.err


def test_rehearse_tells_the_rundown_the_length_and_the_worst_case(say: Say, tmp_path: Path) -> None:
    scenario = write_scenario(
        tmp_path,
        pacing={},
        models={
            "m": {
                "provider": "openai", "model": "m", "api_key": "${NOT_NEEDED_HERE}",
                "price": {"input_per_million": "1.5", "output_per_million": "6"},
            }
        },
    )  # fmt: skip

    said = say("rehearse", scenario, "--transcript", "--seed", "5")

    assert (said.status, said.err) == (0, "")
    assert re.search(r"^1 +00:00 +\d+ +80 +Openings +Wren Okafor · Opening for the motion$", said.out, re.MULTILINE)
    assert len(re.findall(r"^\d+ +\d\d:\d\d ", said.out, re.MULTILINE)) == 8
    assert re.search(
        r"^Length 0[1-3]:\d\d with the rehearsal model, \d+ words; 0\d:\d\d at most\.$", said.out, re.MULTILINE
    )
    assert re.search(r"^Money: at most 0\.\d{4}\.$", said.out, re.MULTILINE)
    assert "# This house would ban homework" in said.out
    assert say("rehearse", scenario, "--transcript", "--seed", "5").out == said.out


def test_a_rehearsal_that_ends_early_is_status_1(say: Say, tmp_path: Path) -> None:
    said = say("rehearse", write_scenario(tmp_path, pacing={}, budget={"max_minutes": 0.5}))

    assert said.status == 1
    assert "its budget is used up" in said.out


def test_a_scenario_that_is_not_there_is_status_2(say: Say) -> None:
    for command in ("run", "rehearse"):
        said = say(command, "nowhere.yaml")

        assert said.status == 2
        assert "nowhere.yaml: " in said.err


# -- shows, export, replay -------------------------------------------------------------------------------------------


def test_shows_lists_what_the_data_folder_holds(say: Say) -> None:
    assert say("shows").out.startswith("no show yet in ")
    keep_past_shows("first-1", "second-2")

    said = say("shows")
    as_json = [json.loads(line) for line in say("shows", "--json").out.splitlines()]

    assert said.out.splitlines()[0].split() == ["SHOW", "STARTED", "(UTC)", "LENGTH", "ENDED", "MOTION"]
    assert re.search(r"^first-1 +2026-01-01 00:00 +00:11 +completed +Motion first-1$", said.out, re.MULTILINE)
    assert {show["id"]: (show["why"], show["seconds"]) for show in as_json} == {
        "first-1": ("completed", 11.0),
        "second-2": ("completed", 11.0),
    }


@pytest.mark.parametrize(("kind", "beginning"), [("md", "# "), ("json", "{"), ("html", "<!DOCTYPE html>")])
def test_export_writes_the_transcript(kind: str, beginning: str, say: Say) -> None:
    keep_past_shows("first-1", "second-2")

    said = say("export", "fir", "--format", kind)
    written = say("export", "first-1", "--format", kind, "-o", "out.file")

    assert said.status == written.status == 0
    assert said.out.startswith(beginning)
    assert "Homework eats the evening." in said.out
    assert Path("out.file").read_text().rstrip("\n") == said.out.rstrip("\n")
    assert written.out == ""


@pytest.mark.parametrize("command", ["export", "replay"])
def test_a_show_that_cannot_be_told_is_status_2(command: str, say: Say) -> None:
    nothing = say(command, "latest")
    keep_past_shows("twin-1", "twin-2")
    stranger, twins = say(command, "stranger"), say(command, "twin")

    assert [said.status for said in (nothing, stranger, twins)] == [2, 2, 2]
    assert "there is no show 'stranger'" in stranger.err
    assert "debate-caster shows" in stranger.err
    assert "2 shows begin with 'twin'" in twins.err


def test_export_to_where_nothing_can_be_written_is_status_2(say: Say) -> None:
    keep_past_shows("first-1")

    said = say("export", "first-1", "-o", "no/such/folder/x.md")

    assert said.status == 2
    assert "can't be written" in said.err


def test_a_damaged_log_is_status_1_and_named(say: Say, tmp_path: Path) -> None:
    folder = DataFolder(Settings().data_dir)
    folder.make()
    folder.show_log.write_bytes(b"this is no database at all, but long enough to be looked at as if it were one" * 20)

    said = say("shows")

    assert said.status == 1
    assert "show-log.db" in said.err


def test_replay_airs_a_show_again_that_no_stage_of_ours_has_aired(say: Say) -> None:
    keep_past_shows("first-1")

    said = say("replay", "first-1", "--port", "0", "--speed", "50")

    assert said.status == 0
    assert re.match(r"Watch: http://127\.0\.0\.1:\d+/shows/replay-\w+-first-1\n", said.out)


# -- the data folder -------------------------------------------------------------------------------------------------


def test_a_second_stage_may_not_take_the_first_ones_air_log(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "kept")

    with folder.claim_air_log() as first, folder.claim_air_log() as second:
        assert (first, second) == (True, False)
    with folder.claim_air_log() as again:
        assert again


def test_only_its_owner_may_look_into_the_data_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "kept")

    folder.make()

    assert folder.path.stat().st_mode & 0o077 == 0


def test_a_data_folder_that_cannot_be_made_is_status_2(say: Say, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    said = say("serve", "--data-dir", tmp_path / "file" / "data", "--port", "0")

    assert said.status == 2
    assert "can't be made" in said.err


async def test_opening_a_log_twice_is_fine_for_readers(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "kept")

    async with folder.open(folder.show_log) as one, folder.open(folder.show_log) as other:
        await one.append("s", ["{}"], expect=0)
        assert isinstance(other, SqliteEventLog)
        assert await other.last_seq("s") == 1


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_the_only_thing_on_stdout_and_no_two_are_alike(say: Say) -> None:
    first, second = say("token", "create", "--show", "friday-1", "--expires", "90s"), say("token", "create")

    assert (first.status, second.status) == (0, 0)
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", first.out)
    assert first.out != second.out
    assert re.fullmatch(r"valid until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n", first.err)


@pytest.mark.parametrize("length", ["", "2", "h", "-1h", "2 h", "1.5h", "2w", "٢h", "999999999s"])
def test_a_length_of_time_that_is_none_is_a_usage_error(say: Say, length: str) -> None:
    said = say("token", "create", f"--expires={length}")

    assert (said.status, said.out) == (2, "")


@pytest.mark.parametrize("length", ["0h", "367d"])
def test_a_token_for_no_time_or_for_ever_is_not_made(say: Say, length: str) -> None:
    said = say("token", "create", "--expires", length)

    assert (said.status, said.out) == (2, "")
    assert "up to a year" in said.err


def test_a_producers_token_is_the_shows_own(say: Say) -> None:
    said = say("token", "create", "--role", "producer")

    assert (said.status, said.out) == (2, "")
    assert "DEBATE_CASTER_PRODUCER_TOKEN" in said.err
