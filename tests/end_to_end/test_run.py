import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest

from tests.end_to_end.programs import running, speeches_of, watching, write_scenario
from tests.llm.faulty_server import FaultyServer, Reply

FAST = ("--port", "0", "--speed", "10")
SLOWER = {"chars_per_second": 200, "min_interval_s": 0.1, "gap_s": 0.2, "lead_min_s": 0.1, "lead_max_s": 0.3}


async def test_a_viewer_sees_the_whole_debate_and_the_program_says_the_same(tmp_path: Path) -> None:
    async with running("run", write_scenario(tmp_path), *FAST, "--events", "-", "--seed", "7", cwd=tmp_path) as program:
        async with watching(await program.line("Watch:")) as viewer:
            await viewer.until("show_ended")
        status = await program.ended()

    logged = [json.loads(line) for line in program.stdout]
    assert status == 0
    assert [event["seq"] for event in logged] == list(range(1, len(logged) + 1))
    assert logged[0]["type"] == "show_started"
    assert (logged[0]["seed"], logged[-1]["type"], logged[-1]["why"]) == (7, "show_ended", "completed")
    assert [event["seq"] for event in viewer.events] == list(range(1, len(viewer.events) + 1))
    assert speeches_of(viewer.events) == speeches_of(logged)
    assert len(speeches_of(logged)) == logged[0]["turns"]
    assert {event["why"] for event in viewer.of("show_ended")} == {"completed"}


async def test_a_hint_is_answered_by_the_agent_it_names_in_its_next_turn(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pacing=SLOWER)

    async with (
        running("run", scenario, "--port", "0", cwd=tmp_path) as program,
        watching(await program.line("Watch:")) as viewer,
    ):
        await viewer.until("chunk_aired", speaker="wren")
        hint = {"type": "hint", "text": "What about pupils without a quiet desk?", "to": "otis", "name": "Mia"}
        await viewer.socket.send(json.dumps(hint))
        received = await viewer.until("hint_received")
        queued = await viewer.until("hint_fate", hint=received["hint"], state="queued")
        used = await viewer.until("hint_fate", hint=received["hint"], state="used")
        turn = await viewer.until("turn_started", turn=used["turn"])
        await viewer.until("turn_ended", turn=used["turn"])
        program.signal(signal.SIGTERM)
        await program.ended()

    first_of_otis = min(event["turn"] for event in viewer.of("turn_started") if event["speaker"] == "otis")
    said = {number: text for number, _, text in speeches_of(viewer.events)}[used["turn"]]
    assert queued["to"] == "otis"
    assert (used["speaker"], used["turn"]) == ("otis", first_of_otis)
    assert turn["hints"] == [{"id": received["hint"], "name": "Mia", "text": hint["text"]}]
    assert "Mia" in said
    assert "quiet desk" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_show_politely_within_two_seconds(number: signal.Signals, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pacing=SLOWER | {"min_interval_s": 2, "chars_per_second": 10})
    now = asyncio.get_running_loop().time

    started_at = now()
    async with (
        running("run", scenario, "--port", "0", cwd=tmp_path) as program,
        watching(await program.line("Watch:")) as viewer,
    ):
        start_s = now() - started_at
        await viewer.until("chunk_aired")
        asked_at = now()
        program.signal(number)
        ended = await viewer.until("show_ended")
        status = await program.ended()
        took_s = now() - asked_at

    assert status == 130
    assert took_s < max(2.0, start_s), "two seconds, or as long as the start took where the machine is busy"
    assert ended["why"] == "interrupted"
    assert {event["how"] for event in viewer.of("turn_ended")} <= {"aborted", "skipped"}
    rooms = {event["room"]: event["reason"] for event in viewer.of("room_closed")}
    assert set(rooms.values()) <= {"completed", "interrupted"}
    assert {event["room"] for event in viewer.of("room_opened")} >= set(rooms)
    assert program.stdout[-1].endswith("The debate was interrupted.")


async def test_three_agents_and_a_moderator_debate_in_the_order_of_the_rundown(tmp_path: Path) -> None:
    agents = [{"persona": "wren"}, {"persona": "otis"}, {"persona": "ada"}]
    scenario = write_scenario(tmp_path, format="roundtable", agents=agents, moderator="vera")

    async with running("run", scenario, *FAST, "--events", "-", cwd=tmp_path) as program:
        page = await program.line("Watch:")
        async with watching(page) as viewer:
            await viewer.until("show_ended")
        status = await program.ended()

    logged = [json.loads(line) for line in program.stdout]
    assert status == 0
    assert [agent["id"] for agent in logged[0]["agents"]] == ["wren", "otis", "ada", "vera"]
    assert {speaker for _, speaker, _ in speeches_of(viewer.events)} == {"wren", "otis", "ada", "vera"}
    assert speeches_of(viewer.events) == speeches_of(logged)
    assert len({event["room"] for event in viewer.of("room_opened")}) == 4


async def test_piped_output_is_plain_lines_with_the_page_first(tmp_path: Path) -> None:
    async with running("run", write_scenario(tmp_path), *FAST, "--stage", "embedded", cwd=tmp_path) as program:
        status = await program.ended()

    assert status == 0
    assert program.stdout[0].startswith("Watch: http://127.0.0.1:")
    assert program.stdout[1].startswith("[00:00] This house would ban homework · Duel · Wren Okafor (For), Otis Bell")
    assert program.stdout[2].endswith("] -- Openings")
    assert program.stdout[-1].endswith("The debate has run to its end.")
    assert not any("\x1b" in line for line in program.stdout + program.stderr)
    logged = [line for line in program.stderr if not line.startswith("Producer: ")]
    assert all(json.loads(line)["event"] for line in logged), "the log is JSON when nobody watches it"


async def test_a_port_that_is_taken_is_an_error_when_it_was_asked_for_and_no_problem_otherwise(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running("run", scenario, "--port", str(port), cwd=tmp_path) as program:
            status = await program.ended()

        assert status == 2
        assert f"port {port} on 127.0.0.1 can't be had (Address already in use)" in program.stderr[-1]
        assert "Name another port" in program.stderr[-1]


async def test_a_model_on_the_network_airs_token_by_token_and_its_key_is_nowhere(tmp_path: Path) -> None:
    key = "sk-test-4711-do-not-tell-anybody"
    words = "Homework eats the evening. " + "It teaches little and it divides much. " * 12
    async with FaultyServer(default=Reply(text=words, token_s=0.02)) as model:
        model.plan(
            Reply(
                fault="status", status=429, after=0, headers=(("Retry-After", "0"),), body={"error": {"message": key}}
            )
        )
        scenario = write_scenario(
            tmp_path,
            models={
                "real": {"provider": "openai", "base_url": model.base_url, "model": "m", "api_key": "${TEST_MODEL_KEY}"}
            },
        )
        arguments = ("run", scenario, "--port", "0", "--log-level", "debug")
        async with (
            running(*arguments, cwd=tmp_path, env={"TEST_MODEL_KEY": key}) as program,
            watching(await program.line("Watch:")) as viewer,
        ):
            await viewer.until("chunk_aired", turn=0, index=0)
            sent = model.requests[1].words_sent
            await viewer.until("turn_ended", turn=0)
            whole = model.requests[1].words_sent
            program.signal(signal.SIGTERM)
            await program.ended()

    assert model.requests[0].headers["authorization"] == f"Bearer {key}"
    assert 0 < sent < whole / 2, "the first words were on the page long before the model had finished"
    assert not any(key in line for line in program.stdout + program.stderr)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not any(key.encode() in path.read_bytes() for path in files)


async def test_events_go_to_a_file_while_the_terminal_shows_the_debate(tmp_path: Path) -> None:
    async with running(
        "run", write_scenario(tmp_path), *FAST, "--stage", "none", "--events", "events.jsonl", cwd=tmp_path
    ) as program:
        status = await program.ended()

    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert status == 0
    assert (events[0]["type"], events[-1]["type"]) == ("show_started", "show_ended")
    assert any("Wren Okafor (For):" in line for line in program.stdout)


async def test_a_reader_who_hangs_up_does_not_stop_the_show(tmp_path: Path) -> None:
    async with running("run", write_scenario(tmp_path), *FAST, cwd=tmp_path) as program:
        page = await program.line("Watch:")
        transport = program.process._transport  # type: ignore[attr-defined]  # the only way to close one end of a pipe
        transport.get_pipe_transport(1).close()
        async with watching(page) as viewer:
            ended = await viewer.until("show_ended")
        status = await program.ended()

    assert (status, ended["why"]) == (0, "completed")


async def test_nobody_reached_is_not_a_success(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws"
    async with running("run", write_scenario(tmp_path), *FAST, "--stage", address, cwd=tmp_path) as program:
        status = await program.ended()

    assert status == 1
    assert "no target was reached" in program.stderr[-1]
