"""The producer's page in a real browser, against a stage that does what the test tells it to."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Visit
from tests.web.fake_stage import FakeShow, FakeStage, until
from tests.web.plays import AGENTS, begin, finish, open_show, speak

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TOKEN = "t" * 32
AT = "2026-11-20T19:00:30.000Z"
HINTS: list[dict[str, Any]] = [
    {"id": identity, "viewer": viewer, "name": name, "text": text, "to": to, "at": AT, "state": state, "reason": reason}
    for identity, viewer, name, text, to, state, reason in (
        ("h1", "v1", "Noor", "What about nurses?", "ben", "waiting", ""),
        ("h2", "v2", "", "And the cost?", "", "waiting", ""),
        ("h3", "v1", "Noor", "Louder!", "", "queued", ""),
        ("h0", "v3", "Ida", "Old.", "", "expired", "lifetime"),
    )
]


async def open_desk(stage: FakeStage, visit: Visit, **desk: Any) -> tuple[FakeShow, Page]:
    """Start a show in its first turn, and open its producer's page as the caster prints it."""
    show = await open_show(stage)
    show.token = TOKEN
    await begin(stage, show, 0, "ada")
    await speak(stage, show, 0, "ada", "I say this.")
    await stage.set_desk(show, **{"turn": 0, "speaker": "ada", "next": {"turn": 1, "speaker": "ben"}, **desk})
    page = await visit.go(f"{stage.url}/producer/s1#token={TOKEN}")
    await expect(page.locator("#desk")).to_be_visible()
    return show, page


async def commanded(show: FakeShow, **wanted: Any) -> None:
    await until(lambda: wanted in show.commands, what=f"{wanted} in {show.commands}")


async def test_the_token_leaves_the_address_at_once_and_opens_the_desk(stage: FakeStage, visit: Visit) -> None:
    _, page = await open_desk(stage, visit)

    assert page.url == f"{stage.url}/producer/s1"
    await expect(page.locator("#connection-text")).to_have_text("Connected")
    await expect(page.locator("#entrance")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#desk")).to_be_visible()
    await expect(page.locator("#entrance")).to_be_hidden()
    assert all(TOKEN not in key for key in await page.evaluate("Object.values({...localStorage})"))


async def test_without_a_token_the_page_asks_for_it_and_a_wrong_one_is_refused_clearly(
    stage: FakeStage, visit: Visit
) -> None:
    show = await open_show(stage)
    show.token = TOKEN
    page = await visit.go(f"{stage.url}/producer/s1")
    await expect(page.get_by_role("heading", name="This page steers the show")).to_be_visible()
    await page.get_by_label("Producer token").fill("wrong")
    await page.get_by_label("Producer token").press("Enter")
    await expect(page.locator("#token-status")).to_have_text("That is not this show's producer token.")
    await expect(page.locator("#desk")).to_be_hidden()
    assert await page.evaluate("sessionStorage.length") == 0

    await page.get_by_label("Producer token").fill(f" {TOKEN} ")
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("#desk")).to_be_visible()


async def test_the_page_says_what_the_show_is_doing(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit)
    await expect(page.locator("#air-title")).to_have_text("On air")
    await expect(page.locator("#air-place")).to_have_text("Openings · turn 1 of 8")
    await expect(page.locator("#now")).to_have_text("🦉 Ada, Proposition")
    await expect(page.locator("#next")).to_have_text("🦊 Ben, Opposition")
    await expect(page.locator("#line")).to_have_text("I say this.")
    await speak(stage, show, 0, "ada", " And that.", first=1)
    await expect(page.locator("#line")).to_have_text("I say this. And that.")

    await stage.air(show, "show_paused")
    await stage.set_desk(show, paused=True, may=["resume", "end"])
    await expect(page.locator("#air-title")).to_have_text("Paused")
    await expect(page).to_have_title("Paused: This house would test · Producer")
    await expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    await expect(page.get_by_role("button", name="Skip the turn")).to_be_disabled()
    await stage.air(show, "show_resumed")
    await stage.air(show, "show_paused", why="models")
    await stage.set_desk(show, paused=True, may=["skip", "end"])
    await expect(page.locator("#air-title")).to_have_text("Waits for a model")
    await expect(page.get_by_role("button", name="Pause")).to_be_disabled()
    await stage.air(show, "show_resumed")
    await stage.set_desk(show, paused=False, may=["pause"])
    await expect(page.locator("#air-title")).to_have_text("On air")

    await finish(stage, show, 0, "ada")
    await stage.set_desk(show, may=[])
    await stage.air(show, "show_ended", why="producer", detail="")
    await expect(page.locator("#air-title")).to_have_text("Ended")
    assert await page.locator(".deck button:visible:not([disabled])").count() == 0


async def test_commands_go_out_with_the_name_of_who_gives_them_and_their_answers_are_shown(
    stage: FakeStage, visit: Visit
) -> None:
    show, page = await open_desk(stage, visit)
    await page.get_by_label("Your name in it").fill("Iris")
    await page.get_by_role("button", name="Pause").click()
    await commanded(show, command="pause", by="Iris")
    await expect(page.locator("#answer")).to_have_text("Done: the log has it")
    await stage.set_desk(show, paused=True, may=["resume", "skip", "end", "inject", "context"])
    await page.get_by_role("button", name="Resume").click()
    await commanded(show, command="resume", by="Iris")

    await page.get_by_label("A line for the moderator").fill("Ask about the cost.")
    await page.get_by_role("button", name="Inject").click()
    await commanded(show, command="inject", text="Ask about the cost.", by="Iris")
    await expect(page.get_by_label("A line for the moderator")).to_have_value("")
    await page.get_by_label("A note for all speakers").fill("It is raining.")
    await page.get_by_role("button", name="Set", exact=True).click()
    await commanded(show, command="context", text="It is raining.", by="Iris")
    await stage.set_desk(show, context="It is raining.")
    await expect(page.locator("#in-effect")).to_contain_text("In effect: It is raining.")
    await page.get_by_role("button", name="Take back").click()
    await commanded(show, command="context", text="", by="Iris")
    await page.reload()
    await expect(page.get_by_label("Your name in it")).to_have_value("Iris")


async def test_a_refusal_says_why_and_stays_in_the_log(stage: FakeStage, visit: Visit) -> None:
    _, page = await open_desk(stage, visit)
    visit.expected = "409|504"
    for status, message in ((409, "Nothing is on air to skip."), (504, "The caster does not answer.")):
        stage.refuse_commands = (status, {"error": "refused", "message": message})
        await page.get_by_role("button", name="Skip the turn").click()
        await expect(page.locator("#answer")).to_have_text(f"Not done: {message}")
    await expect(page.locator("#acts .act-what")).to_have_text(["skip", "skip"])
    await expect(page.locator("#acts .act-why")).to_have_text(
        ["The caster does not answer.", "Nothing is on air to skip."]
    )
    await page.get_by_label("A line for the moderator").fill("Ask about the cost.")
    await page.get_by_role("button", name="Inject").click()
    await expect(page.locator("#acts .act")).to_have_count(3)
    await expect(page.get_by_label("A line for the moderator")).to_have_value("Ask about the cost.")


async def test_the_show_ends_only_after_a_second_word(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit)
    await page.get_by_role("button", name="End the show").click()
    await expect(page.get_by_role("dialog", name="End the show?")).to_be_visible()
    await expect(page.get_by_role("button", name="Go on")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="End the show").click()
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("button", name="End the show")).to_be_focused()
    assert show.commands == []

    await page.get_by_role("button", name="End the show").click()
    await page.get_by_role("button", name="End it").click()
    await commanded(show, command="end")
    assert len(show.commands) == 1


async def test_hints_are_decided_one_by_one(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit, approval=True, hints=HINTS)
    queue = page.get_by_role("list", name="Hints to decide")
    await expect(page.get_by_role("switch", name="Approve each one first")).to_be_checked()
    await expect(queue.locator(".hint-text")).to_have_text(["What about nurses?", "And the cost?", "Louder!"])
    await expect(queue.locator(".hint-state")).to_have_text(["Waits for you", "Waits for you", "Queued"])
    await expect(queue.locator(".hint-name")).to_have_text(["Noor", "A viewer", "Noor"])
    await expect(queue.locator(".hint-to").first).to_have_text("for Ben")
    await page.get_by_role("button", name="Approve: What about nurses?").click()
    await commanded(show, command="approve", hint="h1")
    await page.get_by_role("button", name="Decline: And the cost?").click()
    await commanded(show, command="decline", hint="h2")
    assert await page.get_by_role("button", name="Approve: Louder!").count() == 0
    await page.get_by_role("button", name="Mute: Noor").first.click()
    await commanded(show, command="mute", viewer="v1")

    declined = [{**hint, "state": "declined", "reason": "muted"} if hint["viewer"] == "v1" else hint for hint in HINTS]
    await stage.set_desk(show, hints=declined, muted=["v1"])
    await expect(queue.locator(".hint-text")).to_have_text(["And the cost?"])
    await page.get_by_text("Decided: 3").click()
    await expect(page.locator("#decided-hints .hint-state")).to_have_text(
        ["Expired: no turn could take it", "Declined: its viewer is muted", "Declined: its viewer is muted"]
    )
    await page.get_by_role("button", name="Unmute: Noor").click()
    await commanded(show, command="unmute", viewer="v1")
    await stage.set_desk(show, may=["approval_off"])
    await page.get_by_role("switch", name="Approve each one first").click()
    await commanded(show, command="approval_off")


async def test_the_queue_is_decided_with_the_keyboard_alone(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit, approval=True, hints=HINTS)
    await page.locator("#queue .hint").first.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("a")
    await commanded(show, command="approve", hint="h2")
    await stage.set_desk(show, hints=[HINTS[0], {**HINTS[1], "state": "used"}, *HINTS[2:]])
    await expect(page.locator("#queue .hint")).to_have_count(2)
    await expect(page.locator("#queue .hint").nth(1)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("d")
    await commanded(show, command="decline", hint="h1")
    await page.keyboard.press("m")
    await commanded(show, command="mute", viewer="v1")

    await page.keyboard.press("Alt+p")
    await commanded(show, command="pause")
    await page.get_by_label("A line for the moderator").press("Alt+s")
    await commanded(show, command="skip", turn=0)
    await page.get_by_label("A line for the moderator").press("a")
    assert len(show.commands) == 5


async def test_a_skip_names_the_turn_that_the_page_shows(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit)
    skip = page.get_by_role("button", name="Skip the turn")
    await stage.set_desk(show, turn=4, speaker="ada", next={"turn": 5, "speaker": "ben"}, context="First.")
    await expect(page.locator("#in-effect")).to_contain_text("First.")
    await skip.click()
    await commanded(show, command="skip", turn=4)
    await stage.set_desk(show, turn=None, speaker=None, next={"turn": 0, "speaker": "ben"}, context="Second.")
    await expect(page.locator("#in-effect")).to_contain_text("Second.")
    await skip.click()
    await commanded(show, command="skip", turn=0)


async def test_a_vote_is_opened_and_closed_and_its_tally_seen(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit)
    await expect(page.locator("#poll-state")).to_have_text("There is no vote in this show.")
    await stage.set_desk(show, vote={"open": None, "may_open": "before"}, may=["open_vote"])
    await page.get_by_role("button", name="Open the vote").click()
    await commanded(show, command="open_vote")
    choices = [{"id": "for", "title": "For"}, {"id": "against", "title": "Against"}]
    await stage.air(show, "vote_opened", vote="before", method="swing", choices=choices, seconds=20)
    await stage.send(show, {"type": "vote_tally", "vote": "before", "counts": {"for": 3, "against": 1}, "votes": 4})
    await stage.set_desk(show, vote={"open": "before", "may_open": None}, may=["close_vote"])
    await expect(page.locator("#poll-state")).to_have_text("The vote before the debate is open: 4 votes.")
    await expect(page.locator("#tally b")).to_have_text(["3 · 75 %", "1 · 25 %"])
    await page.get_by_role("button", name="Close the vote").click()
    await commanded(show, command="close_vote")
    await stage.air(show, "vote_closed", vote="before")
    await stage.set_desk(show, vote={"open": None, "may_open": "after"}, may=["open_vote"])
    await expect(page.get_by_role("button", name="Open the next vote")).to_be_enabled()
    await expect(page.locator("#poll-state")).to_have_text("The vote before the debate is closed: 4 votes.")


async def test_the_log_says_who_did_what_latest_first(stage: FakeStage, visit: Visit) -> None:
    acts = [
        {"at": AT, "command": "pause", "by": "Iris", "detail": ""},
        {"at": AT.replace("30.", "40."), "command": "inject", "by": "", "detail": "Ask about the cost."},
        {"at": AT.replace("30.", "50."), "command": "approve", "by": "Iris", "detail": "h3"},
        {"at": AT.replace("30.", "51."), "command": "mute", "by": "Iris", "detail": "v1"},
    ]
    _, page = await open_desk(stage, visit, acts=acts, hints=HINTS)
    await expect(page.locator("#acts .act p:first-of-type")).to_have_text(
        [
            "Iris muted a viewer Noor",
            "Iris approved a hint Louder!",
            "The producer gave the moderator a line Ask about the cost.",
            "Iris paused the show",
        ]
    )


async def test_a_page_that_loses_the_stage_says_so_and_recovers_by_itself(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit, hints=HINTS[:1])
    visit.expected = "WebSocket|ERR_CONNECTION"
    await stage.stop()
    await expect(page.locator("#connection-text")).to_have_text("Reconnecting")
    await expect(page.locator("#stale")).to_contain_text("What you see is from before")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#answer")).to_have_text(
        "Not done: The stage can\N{RIGHT SINGLE QUOTATION MARK}t be reached: nothing is known to have been done."
    )
    await stage.start()
    await expect(page.locator("#connection-text")).to_have_text("Connected")
    await expect(page.locator("#stale")).to_be_empty()
    await stage.set_desk(show, paused=True)
    await expect(page.locator("#air-title")).to_have_text("Paused")


async def test_a_page_whose_show_has_lost_its_program_says_so(stage: FakeStage, visit: Visit) -> None:
    show, page = await open_desk(stage, visit)
    for number in range(2):
        await expect(page.locator("#stale")).to_be_empty()
        await stage.air(show, "room_reconnecting", room=f"r{number}", agent=AGENTS[number]["id"])
    await expect(page.locator("#stale")).to_contain_text("The program that performs the show is not connected.")
    await stage.air(show, "room_resumed", room="r0", agent="ada")
    await expect(page.locator("#stale")).to_be_empty()


async def test_of_a_show_that_has_ended_nobody_asks_a_token(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await stage.air(show, "show_ended", why="completed", detail="")
    show.state = "ended"
    page = await visit.go(f"{stage.url}/producer/s1")
    await expect(page.locator("#stale")).to_have_text("This show has ended: there is nothing to steer any more.")
    await expect(page.locator("#entrance")).to_be_hidden()


async def test_a_show_that_does_not_exist_is_said_not_to(stage: FakeStage, visit: Visit) -> None:
    stage.show("other")
    visit.expected = "404"
    page = await visit.go(f"{stage.url}/producer/nowhere")
    await expect(page.locator("#stale")).to_have_text("This show does not exist, or is no longer kept.")
    await expect(page.locator("#entrance")).to_be_hidden()


@pytest.mark.parametrize("visit", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
async def test_on_a_phone_nothing_is_wider_than_the_screen(stage: FakeStage, visit: Visit) -> None:
    long = [{**HINTS[0], "text": "w" * 300, "name": "n" * 40}]
    _, page = await open_desk(stage, visit, hints=long, context="c" * 300, muted=["v1"])
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await expect(page.get_by_role("button", name="Pause")).to_be_in_viewport()
