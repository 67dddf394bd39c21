import json
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import debate_caster.stage
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage.pages import SECURITY_HEADERS
from tests.stage.people import agent_on, browser, cast, caster_on, viewer_of
from tests.stage.unwilling import UnwillingLog

WEB = Path(debate_caster.stage.__file__).parent / "web"
PAGES = ["/", "/shows/show-1", "/shows/nothing", "/overlay/show-1"]
STATIC = [f"/static/{file.name}" for file in sorted(WEB.iterdir()) if file.is_file()]


@pytest.mark.parametrize("path", [*PAGES, *STATIC, "/api/shows", "/healthz", "/metrics", "/static/none.js", "/no/such"])
async def test_every_answer_keeps_the_browser_from_running_or_loading_anything_foreign(stage: Stage, path: str) -> None:
    async with browser() as session, session.get(stage.url + path) as answer:
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert policy.endswith("require-trusted-types-for 'script'")


@pytest.mark.parametrize("path", [*PAGES, *STATIC])
async def test_pages_are_served_from_the_package_and_not_sent_twice(stage: Stage, path: str) -> None:
    async with browser() as session:
        async with session.get(stage.url + path) as answer:
            assert answer.status == 200
            assert answer.content_type.split("/")[0] in {"text", "image", "application"}
            body, tag = await answer.read(), answer.headers["ETag"]
        if path.startswith("/static/"):
            assert body == (WEB / path.removeprefix("/static/")).read_bytes()
        async with session.get(stage.url + path, headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")


async def test_pages_come_compressed_to_who_takes_that(stage: Stage) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(f"{stage.url}/static/style.css", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            small = len(await answer.read())
        async with session.get(f"{stage.url}/static/style.css", headers={"Accept-Encoding": ""}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert small < len(await answer.read())


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static//etc/passwd",
     "/static/%00", "/static/__init__.py", "/static/"],
)  # fmt: skip
async def test_nothing_but_the_pages_is_served(stage: Stage, path: str) -> None:
    import yarl

    async with browser() as session, session.get(yarl.URL(stage.url + path, encoded=True)) as answer:
        assert answer.status == 404
        assert b"import" not in await answer.read()


async def test_a_summary_says_what_the_show_is_about_and_where_it_stands(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob"), browser() as session:
        for ref, event in enumerate(
            (
                cast("ada", "bob"),
                {"type": "phase_started", "phase": 0, "key": "opening", "title": "Opening", "speaker": "ada"},
                {"type": "turn_started", "turn": 0, "phase": 0, "speaker": "ada"},
            ),
            start=1,
        ):
            await ada.say("show_event", event=event, ref=ref)
            await ada.hear("text_ack")
        async with session.get(f"{stage.url}/api/shows/show-1") as answer:
            summary = await answer.json()
        async with session.get(f"{stage.url}/api/shows") as answer:
            listed = (await answer.json())["shows"]

    assert listed == [summary]
    assert (summary["id"], summary["state"], summary["format"], summary["language"]) == ("show-1", "live", "duel", "en")
    assert summary["phase"] == {"index": 0, "key": "opening", "title": "Opening"}
    assert summary["speaker"] == "ada"
    assert [(agent["id"], agent["state"], agent["side"]) for agent in summary["agents"]] == [
        ("ada", "live", "side of ada"), ("bob", "live", "side of bob"),
    ]  # fmt: skip
    assert all(agent["room"].startswith("bc_") for agent in summary["agents"])
    assert (summary["head"], summary["turns"], summary["hints_open"]) == (5, 2, True)


async def test_events_come_in_pages(stage: Stage) -> None:
    async with caster_on(stage) as ada, browser() as session:
        for ref in range(1, 6):
            await ada.stream(f"line {ref}", ref=ref)
            await ada.hear("text_ack")
        async with session.get(f"{stage.url}/api/shows/show-1/events?after=2&limit=2") as answer:
            page = await answer.json()
        assert (page["show"], page["after"], page["head"]) == ("show-1", 2, 6)
        assert [event["seq"] for event in page["events"]] == [3, 4]
        async with session.get(f"{stage.url}/api/shows/show-1/events?after=99") as answer:
            page = await answer.json()
        assert (page["after"], page["reset"], len(page["events"])) == (0, "position", 6)
        for query in ("after=x", "after=-1", "limit=x"):
            async with session.get(f"{stage.url}/api/shows/show-1/events?{query}") as answer:
                assert answer.status == 400
                assert (await answer.json())["error"] == "bad_request"


@pytest.mark.parametrize("path", ["/api/shows/nothing", "/api/shows/nothing/events", "/api/shows/nothing/hints/h_1"])
async def test_what_is_not_there_is_said_in_json(stage: Stage, path: str) -> None:
    async with browser() as session, session.get(stage.url + path) as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, "no_such_show")


async def test_the_list_has_live_shows_first_and_then_the_newest(stage: Stage) -> None:
    async with caster_on(stage, "long-one"):
        for name in ("a", "b"):
            async with caster_on(stage, f"short-{name}", name=name) as agent:
                await agent.say("broadcast_end")
                await agent.hear("broadcast_ended")
        async with browser() as session, session.get(f"{stage.url}/api/shows") as answer:
            listed = [(show["id"], show["state"]) for show in (await answer.json())["shows"]]

    assert listed == [("long-one", "live"), ("short-b", "ended"), ("short-a", "ended")]


FOREIGN = [
    "https://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:1",
    "file://",
    "",
    "http://[",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("path", ["/watch", "/ws"])
async def test_a_foreign_page_opens_no_websocket(stage: Stage, origin: str, path: str) -> None:
    headers = {"Origin": origin}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{stage.port}{path}", proxy=None, additional_headers=headers)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_posts_no_hint(stage: Stage, origin: str) -> None:
    async with caster_on(stage), browser() as session:
        address = f"{stage.url}/api/shows/show-1/hints"
        async with session.post(address, json={"text": "x"}, headers={"Origin": origin}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "forbidden_origin")


async def test_our_own_page_and_those_the_operator_named_may(log: EventLog) -> None:
    async with open_stage(log=log, allowed_origins=frozenset({"https://friend.example"})) as stage, caster_on(stage):
        for origin in (stage.url, "https://friend.example"):
            async with viewer_of(stage, additional_headers={"Origin": origin}) as viewer:
                await viewer.hear("hello")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "169.254.169.254"])
async def test_another_name_for_a_loopback_stage_is_not_answered(stage: Stage, host: str) -> None:
    async with browser() as session, session.get(f"{stage.url}/api/shows", headers={"Host": host}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "demo.localhost"])
async def test_loopback_names_are_answered(stage: Stage, host: str) -> None:
    headers = {"Host": host.format(port=stage.port)}
    async with browser() as session, session.get(f"{stage.url}/api/shows", headers=headers) as answer:
        assert answer.status == 200


async def test_readiness_follows_the_log_and_liveness_does_not() -> None:
    log = UnwillingLog(MemoryEventLog())
    async with open_stage(log=log) as stage, browser() as session:
        async with session.get(f"{stage.url}/readyz") as answer:
            assert answer.status == 200
        log.unwilling = True
        async with session.get(f"{stage.url}/readyz") as answer:
            assert answer.status == 503
        async with session.get(f"{stage.url}/healthz") as answer:
            assert answer.status == 200


async def test_metrics_count_what_goes_on(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer, browser() as session:
        await ada.stream("hello", ref=1)
        await viewer.hear_events(2)
        await viewer.say("hint", text="x")
        await viewer.hear("hint_received")
        async with session.get(f"{stage.url}/metrics") as answer:
            assert answer.content_type == "text/plain"
            lines = (await answer.text()).splitlines()

    assert "debate_caster_stage_events_aired_total 2.0" in lines
    assert 'debate_caster_stage_hints_total{fate="received"} 1.0' in lines
    assert 'debate_caster_stage_viewers{state="websocket"} 1.0' in lines
    assert 'debate_caster_stage_rooms{state="live"} 1.0' in lines
    assert 'debate_caster_stage_shows{state="live"} 1.0' in lines


async def test_tools_made_for_pulsar_find_the_rooms(stage: Stage) -> None:
    async with agent_on(stage) as agent, browser() as session:
        await (await agent.register("a1")).start(title="Here")
        async with session.get(f"{stage.url}/api/live") as answer:
            live = await answer.json()
        async with session.get(f"{stage.url}/api/status") as answer:
            status = await answer.json()

    assert (live["active"], live["agentCount"], live["rooms"][0]["title"]) == (True, 1, "Here")
    assert (status["agentCount"], status["activeRooms"]) == (1, 1)


async def test_a_body_above_the_limit_is_refused(stage: Stage) -> None:
    async with (
        caster_on(stage),
        browser() as session,
        session.post(f"{stage.url}/api/shows/show-1/hints", data=json.dumps({"text": "x" * 20_000})) as answer,
    ):
        assert answer.status == 413
