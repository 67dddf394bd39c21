"""The pages in a real Chromium, on a stage that does what the test tells it to."""

import re
from typing import Any

import pytest
from playwright.async_api import Route, expect

from debate_caster.stage.pages import page as page_of
from tests.web.conftest import Visit
from tests.web.fake_stage import FakeStage
from tests.web.plays import AGENTS, PHASES, begin, finish, open_show, speak, whole_turn, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_text_streams_in_under_its_speaker(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("h1")).to_have_text("This house would test")
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#skeleton")).to_be_visible()

    await stage.air(show, "turn_prepared", turn=0, phase=0, speaker="ada")
    ada = page.locator("#team-for .speaker")
    await expect(ada).to_have_attribute("data-doing", "thinking")
    await expect(page.locator("#pondering")).to_contain_text("Ada is thinking")
    await begin(stage, show, 0, "ada")
    await speak(stage, show, 0, "ada", "First we ", "define the terms.")

    await expect(words(page, 0)).to_have_text("First we define the terms.")
    await expect(ada).to_have_attribute("data-doing", "speaking")
    await expect(page.locator("#pondering")).to_be_hidden()
    await expect(page.locator("#skeleton")).to_be_hidden()
    await expect(page.locator("#progress")).to_have_text("Openings · Turn 1 of 8")
    await expect(page.locator("#announcer")).to_have_text("Ada, Proposition, is speaking. Turn 1 of 8.")
    await expect(page).to_have_title("Ada: This house would test · debate-caster")


async def test_who_comes_late_sees_everything_and_then_goes_on_live(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    for turn in range(4):
        await whole_turn(stage, show, turn, f"Turn {turn} said ", "this.")
    await begin(stage, show, 4, "ada")
    await speak(stage, show, 4, "ada", "Now ")

    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 4)).to_have_text("Now ")
    await speak(stage, show, 4, "ada", "and then.", first=1)

    await expect(words(page, 4)).to_have_text("Now and then.")
    assert await page.locator(".words").all_text_contents() == [
        *(f"Turn {n} said this." for n in range(4)),
        "Now and then.",
    ]


async def test_a_past_of_several_pages_joins_the_live_stream_at_the_seam(stage: FakeStage, visit: Visit) -> None:
    stage.page_length = 3
    show = await open_show(stage)
    for turn in range(3):
        await whole_turn(stage, show, turn, f"Turn {turn}.")
    page = await visit.go(stage.url + "/shows/s1")
    await whole_turn(stage, show, 3, "Turn 3.")

    await expect(words(page, 3)).to_have_text("Turn 3.")
    assert await page.locator(".words").all_text_contents() == [f"Turn {n}." for n in range(4)]


async def test_a_log_that_changes_between_the_past_and_the_stream_is_read_again(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "Old words.")

    past = await visit.page.request.get(f"{stage.url}/api/shows/s1/events?after=0")

    async def serve_the_old(route: Route) -> None:
        await route.fulfill(status=200, content_type="application/json", body=await past.text())

    await visit.page.route("**/api/shows/s1/events*", serve_the_old)
    again = await open_show(stage)
    again.epoch = "e2"
    for turn in range(3):
        await whole_turn(stage, again, turn, "New words.")
    page = await visit.go(stage.url + "/shows/s1")

    await expect(page.locator(".words")).to_have_text(["New words."] * 3)


async def test_a_server_restart_is_survived_without_gap_or_double(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "Before. ")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 0)).to_have_text("Before. ")

    visit.expected = "ERR_CONNECTION|WebSocket connection"
    await stage.stop()
    await expect(page.locator("#connection-text")).to_have_text("Reconnecting")
    await whole_turn(stage, show, 1, "While ", "away. ")
    await stage.start()

    await expect(page.locator("#connection-text")).to_have_text("Live")
    await whole_turn(stage, show, 2, "After. ")
    await expect(words(page, 2)).to_have_text("After. ")
    assert await page.locator(".words").all_text_contents() == ["Before. ", "While away. ", "After. "]


async def test_a_stage_that_lost_its_log_is_shown_as_it_is_now(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "Old words. ")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 0)).to_have_text("Old words. ")

    visit.expected = "ERR_CONNECTION|WebSocket connection"
    await stage.cut(show)
    again = await open_show(stage)
    again.epoch = "e2"
    await whole_turn(stage, again, 0, "New words. ")
    await whole_turn(stage, again, 1, "More of them. ")

    await expect(words(page, 1)).to_have_text("More of them. ")
    assert await page.locator(".words").all_text_contents() == ["New words. ", "More of them. "]


async def test_hints_are_for_the_sides_and_their_speakers_and_for_no_moderator(stage: FakeStage, visit: Visit) -> None:
    agents = [*AGENTS, {"id": "mo", "name": "Mo", "emoji": "🎙️", "color": "#888", "side": None, "moderator": True}]
    show = stage.show("s1", motion="This house would test", agents=agents)
    fields: dict[str, Any] = {"title": "T", "motion": "M", "language": "en", "format": "oxford", "phases": PHASES}
    await stage.air(show, "show_started", show="s1", agents=agents, turns=8, hints_open=True, **fields)
    page = await visit.go(stage.url + "/shows/s1")

    offered = page.locator("#hint-to option")
    await expect(offered).to_have_text(["Next speaker", "Proposition", "Opposition", "🦉 Ada", "🦊 Ben"])


async def test_a_hint_typed_in_the_box_gets_its_fates(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_label("Your hint", exact=True).fill("What about nurses?")
    await expect(page.locator("#hint-count")).to_have_text("18 / 280")
    await page.get_by_role("combobox", name="For").select_option("ben")
    await page.get_by_label("Your name").fill("Noor")
    await page.get_by_label("Your hint", exact=True).press("Enter")

    fate = page.locator(".my-hint-fate")
    await expect(fate).to_have_text("Received")
    assert {key: show.hints[0][key] for key in ("text", "to", "name")} == {
        "text": "What about nurses?",
        "to": "ben",
        "name": "Noor",
    }
    await expect(page.get_by_label("Your hint", exact=True)).to_have_value("")
    await stage.decide(show, "h1", "queued", to="ben")
    await expect(fate).to_have_text("Queued for Ben")

    await whole_turn(stage, show, 0, "Ada speaks.")
    await begin(stage, show, 1, "ben", hints=[{"id": "h1", "name": "Noor", "text": "What about nurses?"}])
    await speak(stage, show, 1, "ben", "To Noor: they work nights.")
    await stage.decide(show, "h1", "used", turn=1, speaker="ben")

    await expect(fate).to_have_text("Used by Ben in turn 2")
    await expect(page.locator("#t2 .answers")).to_have_text("Answers a hint by Noor: What about nurses?")
    await fate.get_by_role("link").click()
    await expect(page.locator("#t2")).to_be_focused()
    assert page.url.endswith("#t2")


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("declined", "filtered", "Declined: it holds a word that this show filters out"),
        ("declined", "something_new", "Declined: something_new"),
        ("expired", "show_ended", "Expired: the show ended before a turn could take it"),
    ],
)
async def test_a_hint_that_is_not_used_says_why_in_words(
    stage: FakeStage, visit: Visit, state: str, reason: str, shown: str
) -> None:
    show = await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_label("Your hint", exact=True).fill("Hello")
    await page.get_by_role("button", name="Send hint").click()
    await expect(page.locator(".my-hint")).to_have_count(1)
    await stage.decide(show, "h1", state, reason=reason)

    await expect(page.locator(".my-hint-fate")).to_have_text(shown)


async def test_a_fate_that_came_while_the_page_was_away_is_asked_for(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_label("Your hint", exact=True).fill("Remember me")
    await page.get_by_label("Your hint", exact=True).press("Enter")
    await expect(page.locator(".my-hint-fate")).to_have_text("Received")
    show.fates["h1"] = {"type": "hint_fate", "hint": "h1", "state": "declined", "reason": "full"}

    await page.reload()

    await expect(page.locator(".my-hint-fate")).to_have_text("Declined: too many hints are waiting")


async def test_a_refused_hint_stays_in_the_box_and_says_how_long_to_wait(stage: FakeStage, visit: Visit) -> None:
    await open_show(stage)
    stage.refuse_hints = {"error": "too_fast", "message": "slow down", "retry_after": 30}
    visit.expected = "429"
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_label("Your hint", exact=True).fill("Again")
    await page.get_by_label("Your hint", exact=True).press("Enter")

    await expect(page.locator("#hint-status")).to_have_text("Not taken: it came too soon after your last one.")
    await expect(page.locator("#hint-send")).to_have_text(re.compile(r"Wait (30|29) s"))
    await expect(page.locator("#hint-send")).to_be_disabled()
    await expect(page.get_by_label("Your hint", exact=True)).to_have_value("Again")


WIDEST = """
window.excess = 0;
const measure = () => {
  const page = document.documentElement;
  window.excess = Math.max(window.excess, page ? page.scrollWidth - page.clientWidth : 0);
};
const everything = { subtree: true, childList: true, attributes: true, characterData: true };
new MutationObserver(measure).observe(document, everything);
"""
"""Keeps by how many pixels the page has ever been wider than its window: what is drawn for a moment counts too."""


@pytest.mark.parametrize("path", ["/", "/shows/s1", "/shows/many"])
@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": width, "height": 740}} for width in (320, 360, 480, 481, 568)], indirect=True
)
async def test_a_phone_never_scrolls_sideways(stage: FakeStage, visit: Visit, path: str) -> None:
    show = await open_show(stage)
    show.viewers = 123456
    await whole_turn(stage, show, 0, "Donaudampfschifffahrtsgesellschaft" * 12)
    many = stage.show("many", motion="W" * 90)
    crowd = [
        {"id": f"a{n}", "name": f"A very long name, number {n}", "side": ("for", "against")[n % 2]} for n in range(8)
    ]
    await stage.air(many, "show_started", show="many", motion="W" * 90, agents=crowd, phases=PHASES, turns=8)
    await visit.page.add_init_script(WIDEST)
    await visit.page.clock.install()
    page = await visit.go(stage.url + path)
    await expect(page.locator("h1")).not_to_have_text("")

    if path == "/":
        await page.route("**/api/shows*", lambda route: route.abort())
        visit.expected = "ERR_FAILED"
        for _ in range(50):
            await page.clock.run_for(5000)
            if await page.locator("#trouble").text_content():
                break
        await expect(page.locator("#trouble")).not_to_be_empty()
    else:
        await page.get_by_role("button", name="Steer the debate").click()
        await expect(page.get_by_label("Your hint", exact=True)).to_be_visible()
        visit.expected = "ERR_CONNECTION|WebSocket connection"
        await stage.stop()
        await expect(page.locator("#connection-text")).to_have_text("Reconnecting")
        await expect(page.locator("#connection-text")).to_be_in_viewport(ratio=1)
        assert await page.locator("#connection-text").evaluate("text => text.scrollWidth - text.clientWidth") == 0
    assert await page.evaluate("window.excess") == 0


async def test_reading_back_stops_the_scrolling_until_one_jumps_to_live(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    for turn in range(6):
        await whole_turn(stage, show, turn, "A sentence that takes its room. " * 12)
    page = await visit.go(stage.url + "/shows/s1")
    pane = page.locator("#speeches")
    distance = "pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight"
    await expect(words(page, 5)).to_be_in_viewport()
    await expect(page.locator("#to-live")).to_be_hidden()

    await pane.hover()
    await page.mouse.wheel(0, -700)
    await expect(page.locator("#to-live")).to_have_text("Jump to live")
    top = await pane.evaluate("pane => pane.scrollTop")
    await begin(stage, show, 6, "ada")
    await speak(stage, show, 6, "ada", "News. " * 80)
    await expect(page.locator("#to-live")).to_have_text("Jump to live · 1 new")
    assert await pane.evaluate("pane => pane.scrollTop") == top

    await page.locator("#to-live").click()
    await expect(page.locator("#to-live")).to_be_hidden()
    await speak(stage, show, 6, "ada", "More. " * 80, first=1)
    await expect(words(page, 6)).to_contain_text("More.")
    assert await pane.evaluate(distance) < 2


async def test_an_address_with_a_turn_or_an_event_leads_there(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    for turn in range(6):
        await whole_turn(stage, show, turn, "A sentence that takes its room. " * 12)
    chunk = next(event["seq"] for event in show.events if event["type"] == "chunk_aired" and event["turn"] == 1)

    page = await visit.go(stage.url + "/shows/s1#t3")
    await expect(page.locator("#t3")).to_be_focused()
    await expect(page.locator("#t3")).to_be_in_viewport()
    await expect(page.locator("#to-live")).to_be_visible()
    await page.evaluate("seq => { location.hash = seq }", str(chunk))
    await expect(page.locator("#t2")).to_be_focused()


async def test_a_turn_that_was_no_whole_speech_says_what_it_was(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    ends: dict[str, dict[str, Any]] = {
        "Cut short by a fault.": {},
        "No speech: a technical fault.": {"apology": True},
        "The speech was held back.": {"apology": True, "held_back": True},
        "The rest was held back.": {"held_back": True},
        "Cut short, and held again.": {"again": True},
    }
    for turn, odd in enumerate(ends.values()):
        await begin(stage, show, turn, "ada")
        await speak(stage, show, turn, "ada", "Said.")
        await finish(stage, show, turn, "ada", "aborted", **odd)

    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator(".turn-end")).to_have_text(list(ends))


async def test_a_show_that_ends_says_why_and_leads_to_the_lobby(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "The only words.")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await stage.air(show, "show_ended", why="budget", detail="")

    await expect(page.locator("#connection-text")).to_have_text("Ended")
    await expect(page.locator("#end-card")).to_contain_text("The show has reached the limit of its budget.")
    await expect(page.locator("#hint-form")).to_be_hidden()
    show.state = "ended"
    await page.get_by_role("link", name="All shows", exact=True).click()
    await expect(page.locator("#past-shows a")).to_have_text(
        "This house would test" if show.summary else re.compile(".+")
    )


async def test_a_show_that_is_not_there_is_said_to_be_so(stage: FakeStage, visit: Visit) -> None:
    visit.expected = "404"
    page = await visit.go(stage.url + "/shows/nowhere")

    await expect(page.locator("#connection-text")).to_have_text("Not on air")
    await expect(page.locator("#end-card")).to_contain_text("This show does not exist")
    assert stage.connections == 1


async def test_a_room_without_a_show_looks_right_too(stage: FakeStage, visit: Visit) -> None:
    show = stage.show("room")
    await stage.air(show, "room_opened", room="r", agent={"id": "bot", "name": "Newsbot"}, title="City council")
    page = await visit.go(stage.url + "/shows/room")
    for line in ("The session is open.", "First item: trams."):
        await stage.air(show, "chunk_aired", room="r", speaker="bot", text=line)

    await expect(page.locator("h1")).to_have_text("City council")
    await expect(page.locator(".words")).to_have_text("The session is open. First item: trams.")
    await expect(page.locator(".speaker-name")).to_have_text("Newsbot")
    await expect(page.locator("#rundown")).to_be_hidden()


async def test_the_viewer_count_is_the_stages(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await stage.send(show, {"type": "viewers", "count": 1284})

    await expect(page.locator("#viewers")).to_have_text("1,284 viewers")


async def test_the_theme_follows_the_system_until_the_viewer_chooses(stage: FakeStage, visit: Visit) -> None:
    page = await visit.go(stage.url + "/")
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.emulate_media(color_scheme="light")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Light theme").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_the_lobby_shows_what_is_on_what_was_and_how_to_start(stage: FakeStage, visit: Visit) -> None:
    page = await visit.go(stage.url + "/")
    await expect(page.get_by_role("heading", name="The stage is empty")).to_be_visible()
    await expect(page.locator("#empty")).to_contain_text("make demo")
    agents = f"ws://127.0.0.1:{stage.port}/ws"
    await expect(page.locator("#own-command")).to_have_text(f"debate-caster run scenarios/demo.yaml --stage {agents}")

    show = stage.show("s1", motion="This house would test", agents=AGENTS, speaker="ben")
    past = stage.show("s0", motion="This house has tested")
    past.state = "ended"
    await page.reload()
    card = page.locator("#live-shows .show")
    await expect(card).to_contain_text("Proposition")
    await expect(card).to_contain_text("Ben is speaking")
    await expect(page.locator("#past-shows")).to_contain_text("This house has tested")
    await card.get_by_role("link", name="This house would test").click()
    await expect(page).to_have_url(f"{stage.url}/shows/{show.id}")


@pytest.mark.parametrize("visit", [{"timezone_id": "America/New_York"}], indirect=True, ids=["new-york"])
async def test_past_shows_are_dated_in_the_viewers_own_time_zone(stage: FakeStage, visit: Visit) -> None:
    show = stage.show("s0", started_at="2024-11-20T19:00:00.000Z", ended_at="2024-11-20T20:00:00.000Z")
    show.state = "ended"
    page = await visit.go(stage.url + "/")

    await expect(page.locator(".past-show time")).to_have_text("20 Nov 2024, 15:00 GMT-5")


@pytest.mark.parametrize("visit", [{"timezone_id": "Asia/Kolkata"}], indirect=True, ids=["kolkata"])
async def test_the_lobby_says_what_comes_next_in_the_viewers_own_time_zone(stage: FakeStage, visit: Visit) -> None:
    coming = {"id": "f-1", "state": "coming", "motion": "Ban <b>homework</b>", "format_title": "Duel", "agents": AGENTS}
    stage.planned = {"coming": [{**coming, "starts_at": "2099-11-27T19:00:00.000Z"}], "notices": []}
    page = await visit.go(stage.url + "/")
    row = page.locator(".coming-show")

    await expect(page.get_by_role("heading", name="Coming up")).to_be_visible()
    await expect(row.locator("strong")).to_have_text("Ban <b>homework</b>")
    await expect(row.locator(".detail")).to_have_text("Ada, Ben · Duel")
    await expect(row.locator("time")).to_have_text("Sat 28 Nov 2099, 00:30 GMT+5:30")
    await expect(row.locator(".ahead")).to_have_text(re.compile("^in [0-9,]+ days$"))
    await expect(page.get_by_role("link", name="Add to your calendar")).to_have_attribute("href", "/calendar.ics")
    await expect(page.locator("#empty")).to_be_hidden()
    await expect(page.locator("#notices")).to_be_hidden()

    stage.planned["notices"] = ["The scenario friday has a mistake: its last good version holds."]
    await page.reload()
    await expect(page.locator("#notices")).to_have_text(
        "The scenario friday has a mistake: its last good version holds."
    )


async def test_the_rate_of_hints_is_shown_before_it_bites(stage: FakeStage, visit: Visit) -> None:
    await open_show(stage, max_hint_chars=120, hint_interval_s=20)
    page = await visit.go(stage.url + "/shows/s1")
    hint = page.get_by_label("Your hint", exact=True)
    await hint.fill("Hello")
    await expect(page.locator("#hint-count")).to_have_text("One hint every 20 s · 5 / 120")
    await hint.press("Enter")
    await expect(page.locator(".my-hint")).to_have_count(1)
    await hint.fill("Once more")

    await expect(page.locator("#hint-send")).to_have_text(re.compile(r"Wait (20|19|18) s"))
    await expect(page.locator("#hint-send")).to_be_disabled()


async def test_thoughts_and_tools_stay_folded_until_one_asks_for_them(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await begin(stage, show, 0, "ada")
    await stage.air(show, "thought_noted", turn=0, speaker="ada", text="What would Ben say?")
    await stage.air(show, "tool_called", turn=0, speaker="ada", call="c", name="search", arguments="nurses")
    await stage.air(show, "tool_answered", turn=0, speaker="ada", call="c", text="4.2 million")
    await speak(stage, show, 0, "ada", "I say yes.")
    page = await visit.go(stage.url + "/shows/s1")
    notes = page.locator("#t1 .notes p")
    await expect(words(page, 0)).to_have_text("I say yes.")
    await expect(notes).to_have_count(3)
    await expect(notes.first).to_be_hidden()
    await page.locator("#t1 summary").focus()
    await page.keyboard.press("Enter")

    await expect(notes.first).to_be_visible()
    assert await notes.all_text_contents() == ["What would Ben say?", "search(nurses)", "4.2 million"]


async def test_past_shows_can_be_searched(stage: FakeStage, visit: Visit) -> None:
    for number in range(9):
        stage.show(f"s{number}", motion=f"Motion number {number}").state = "ended"
    page = await visit.go(stage.url + "/")
    await expect(page.locator(".past-show")).to_have_count(9)
    await page.get_by_label("Search past shows").fill("NUMBER 7")

    await expect(page.locator(".past-show")).to_have_text(re.compile("Motion number 7"))
    await page.get_by_label("Search past shows").fill("nothing like it")
    await expect(page.get_by_text("No past show matches.")).to_be_visible()


@pytest.mark.parametrize(("layout", "captions"), [("lower-third", 1), ("split", 2), ("captions", 1), ("unheard-of", 1)])
async def test_the_overlay_captions_who_speaks_on_nothing(
    stage: FakeStage, visit: Visit, layout: str, captions: int
) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "For the motion.")
    await begin(stage, show, 1, "ben")
    await speak(stage, show, 1, "ben", "Against it.")
    page = await visit.go(stage.url + f"/overlay/s1?layout={layout}&scale=1.5")

    await expect(page.locator(".caption")).to_have_count(captions)
    await expect(page.locator(".caption").last).to_contain_text("Against it.")
    for tag in ("html", "body"):
        background = await page.locator(tag).evaluate("element => getComputedStyle(element).backgroundColor")
        assert background == "rgba(0, 0, 0, 0)"
    await stage.air(show, "show_ended", why="completed", detail="")
    await expect(page.locator(".caption")).to_have_count(0)


async def test_a_late_join_into_a_long_show_is_there_at_once(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    for turn in range(200):
        await whole_turn(stage, show, turn, *[f"Sentence {number} of a long evening. " for number in range(8)])
    await begin(stage, show, 200, "ada")
    await speak(stage, show, 200, "ada", "The live line.")
    assert len(show.events) > 2000
    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 200)).to_be_in_viewport()
    assert (
        await page.evaluate("performance.getEntriesByName('live-line').length") == 1
    )  # what benchmarks/late_join reads


async def test_pages_are_light_and_ask_nobody_else(stage: FakeStage, visit: Visit) -> None:
    await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#connection-text")).to_have_text("Live")

    names = {path.rpartition("/")[2] for path in visit.paths if path.startswith("/static/")} | {"watch.html"}
    parts = [served for name in names if (served := page_of(name))]
    assert len(parts) == len(names)
    assert sum(len(part.compressed) for part in parts) <= 120_000


async def test_a_pause_is_seen_on_the_watch_page_and_on_the_overlay(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "Done.")
    await begin(stage, show, 1, "ben")
    await speak(stage, show, 1, "ben", "I was saying")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#paused")).to_be_hidden()
    await stage.air(show, "show_paused")
    await expect(page.locator("#paused")).to_have_text("The show is paused")
    await expect(page.locator("#paused")).to_be_in_viewport()
    await expect(page.locator("#connection-text")).to_have_text("Paused")
    await expect(page.locator("#announcer")).to_have_text("The show is paused.")
    overlay = await visit.context.new_page()
    for layout in ("lower-third", "split", "captions"):
        await overlay.goto(f"{stage.url}/overlay/s1?layout={layout}")
        await expect(overlay.locator("#paused")).to_be_visible()

    await stage.air(show, "show_resumed")
    await expect(overlay.locator("#paused")).to_be_hidden()
    await expect(page.locator("#paused")).to_be_hidden()
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#announcer")).to_have_text("The show goes on.")
    await stage.air(show, "show_paused", why="models")
    waiting = "A technical pause: the show goes on as soon as a model answers"
    await expect(page.locator("#paused")).to_have_text(waiting)
    await expect(page.locator("#announcer")).to_have_text(f"{waiting}.")
    await expect(overlay.locator("#paused")).to_have_text("A technical pause")
    await stage.air(show, "show_resumed")
    await finish(stage, show, 1, "ben", "skipped")
    await expect(page.locator("#t2 .turn-end")).to_have_text("The rest was skipped.")
    await stage.air(show, "show_paused")
    await stage.air(show, "show_ended", why="producer", detail="")
    await expect(page.locator("#end-text")).to_contain_text("Its producer has ended it.")
    await expect(page.locator("#paused")).to_be_hidden()
