import json

from debate_caster.stage import Stage
from tests.stage.people import browser
from tests.watching.loopback import talking


async def test_a_transcript_is_served_in_every_form_while_the_show_goes_on_and_after(stage: Stage) -> None:
    async with talking(stage) as agent, browser() as session:
        address = f"{stage.url}/api/shows/{agent.show}/transcript"
        await agent.say("One.")
        async with session.get(address, params={"format": "md"}) as answer:
            assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
            assert answer.headers["Content-Disposition"] == f'inline; filename="{agent.show}.md"'
            early, tag = await answer.text(), answer.headers["ETag"]
        async with session.get(address, params={"format": "md"}, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        await agent.say("Two.")
        await agent.end()
        await stage.wait_over(agent.show)
        async with session.get(address, params={"format": "md"}, headers={"If-None-Match": tag}) as answer:
            whole = await answer.text()
        async with session.get(address, params={"format": "json"}) as answer:
            told = json.loads(await answer.text())
        async with session.get(address) as answer:
            page = await answer.text()

    assert early.endswith("One.\n")
    assert whole.endswith("One. Two.\n\n*The show ran to its end.*\n")
    assert [speech["text"] for speech in told["speeches"]] == ["One. Two."]
    assert '<p dir="auto">One. Two.</p>' in page


async def test_the_page_may_use_its_own_style_and_nothing_else(stage: Stage) -> None:
    async with (
        talking(stage) as agent,
        browser() as session,
        session.get(f"{stage.url}/api/shows/{agent.show}/transcript") as answer,
    ):
        policy = answer.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; style-src-attr 'unsafe-inline'; style-src-elem 'sha256-")
    assert "script" not in policy
    assert policy.endswith("frame-ancestors 'none'")


async def test_what_does_not_exist_is_refused(stage: Stage) -> None:
    async with talking(stage) as agent, browser() as session:
        async with session.get(f"{stage.url}/api/shows/nobody/transcript") as answer:
            assert (answer.status, (await answer.json())["error"]) == (404, "no_such_show")
        async with session.get(f"{stage.url}/api/shows/{agent.show}/transcript?format=pdf") as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "bad_request")
