import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from debate_caster.errors import SetupError
from debate_caster.log import EventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage.public_address import public_origin
from tests.stage.people import agent_on, browser


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://debates.example", "https://debates.example"),
        (" HTTPS://Debates.Example:443/ ", "https://debates.example"),
        ("http://debates.example:80", "http://debates.example"),
        ("http://debates.example:443", "http://debates.example:443"),
        ("https://debates.example:8443/", "https://debates.example:8443"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
def test_a_public_address_is_written_as_browsers_write_origins(given: str, origin: str) -> None:
    assert public_origin(given) == origin


@pytest.mark.parametrize(
    "given",
    [
        "debates.example", "ftp://debates.example", "https://", "https://debates.example/stage", "https://a@b.example",
        "https://debates.example?x=1", "https://debates.example:port", "https://debates.example:99999", "https://[::1",
    ],
)  # fmt: skip
async def test_what_is_no_address_to_be_known_by_is_refused(given: str, log: EventLog) -> None:
    with pytest.raises(SetupError, match="public address"):
        async with open_stage(log=log, public_url=given):
            pass


async def test_everything_that_leads_back_to_the_stage_leads_to_its_public_address(log: EventLog) -> None:
    public = "https://debates.example"
    async with open_stage(log=log, public_url=f"{public}/") as stage, agent_on(stage) as agent, browser() as session:
        await (await agent.register("ada")).start(title="Tea")
        for path in (
            f"/shows/{agent.show}",
            f"/api/shows/{agent.show}/oembed",
            "/feed.json",
            "/feed.xml",
            "/calendar.ics",
        ):
            async with session.get(stage.url + path) as answer:
                text = (await answer.text()).replace("\r\n ", "")
                assert public in text
                assert f":{stage.port}" not in text


async def test_without_one_it_is_known_by_the_address_it_was_asked_at(stage: Stage) -> None:
    async with agent_on(stage) as agent, browser() as session:
        await (await agent.register("ada")).start(title="Tea")
        async with session.get(f"http://localhost:{stage.port}/feed.json") as answer:
            assert f"http://localhost:{stage.port}/shows/{agent.show}" in await answer.text()


@pytest.mark.parametrize("host", ["debates.example", ""], ids=["proxy keeps the name", "proxy uses its own"])
async def test_pages_that_a_proxy_passes_on_may_do_what_pages_do(log: EventLog, host: str) -> None:
    async with open_stage(log=log, public_url="https://debates.example") as stage, browser() as session:
        headers = {"Origin": "https://debates.example", **({"Host": host} if host else {})}
        async with session.post(f"{stage.url}/api/shows/s1/hints", json={"text": "x"}, headers=headers) as answer:
            assert answer.status == 404, "there is no such show, but asking was in order"
        async with session.ws_connect(f"{stage.url}/watch", headers=headers) as socket:
            assert (await socket.receive()).data == 4404
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{stage.port}/watch", origin="https://other.example", proxy=None)  # type: ignore[arg-type]  # websockets' NewType for str
        async with session.get(stage.url, headers={"Host": "other.example"}) as answer:
            assert answer.status == 421
