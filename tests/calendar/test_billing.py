from pathlib import Path

from debate_caster.calendar.billing import Billing
from debate_caster.calendar.ledger import Entry
from debate_caster.calendar.scripts import Scripts
from debate_caster.clock import ManualClock
from debate_caster.scenario.loading import load_scenario
from tests.calendar.plans import House, at, entry, scenario
from tests.scenario.files import DUEL, write


async def test_the_stage_is_told_the_next_shows_of_each_and_nothing_of_models(tmp_path: Path) -> None:
    house = House(ManualClock(at("06-01 00:00")))
    calendar = house.calendar()
    for name, cron in (("late", "0 22 * * *"), ("early", "0 8 * * *")):
        await calendar.admit(scenario(tmp_path, name, entry(cron)))
    billing = Billing(calendar, Scripts((), lambda path: load_scenario(path, env={})))

    coming = billing.coming(3, each=2)

    assert [show.id for show in coming] == [
        "early-20260601-080000z", "late-20260601-220000z", "early-20260602-080000z",
    ]  # fmt: skip
    assert coming[0].as_json()["starts_at"] == "2026-06-01T08:00:00.000Z"
    assert [(agent["name"], agent["stance"]) for agent in coming[0].agents] == [
        ("Ada Brandt", "for"),
        ("Otis Bell", "against"),
    ]
    assert all("model" not in agent for agent in coming[0].agents)
    await house.ledger.aclose()


async def test_shows_of_a_series_are_billed_with_their_motions_in_order(tmp_path: Path) -> None:
    house = House(ManualClock(at("06-01 00:00")))
    calendar = house.calendar()
    for name, cron in (("series", "0 22 * * *"), ("single", "0 8 * * *")):
        await calendar.admit(scenario(tmp_path, name, entry(cron)))
    scripts = Scripts((), lambda path: load_scenario(path, env={}))
    known = {"series": ["The first.", "The second."]}

    billed = Billing(calendar, scripts, motions=lambda of: iter(known.get(of.key, []))).coming(6, each=3)

    own = billed[0].motion
    assert [show.motion for show in billed] == [own, "The first.", own, "The second.", own, own]
    await house.ledger.aclose()


async def test_it_is_said_that_a_show_was_not_in_the_budget_and_not_what_that_is(tmp_path: Path) -> None:
    house = House(ManualClock(at("06-01 20:00")))
    plan = scenario(tmp_path, "friday", entry())
    missed = Entry("friday", at("06-01 20:00"), None, "", "skipped", "budget", None)
    await house.ledger.record([missed], owner="us", now=at("06-01 20:00"))
    calendar = house.calendar()
    await calendar.admit(plan)
    billing = Billing(calendar, Scripts((), lambda path: load_scenario(path, env={})))

    assert billing.problems() == [f"The last show of {plan.title} was left out: it was not in the budget."]
    assert billing.failing() is None
    await house.ledger.aclose()


async def test_what_is_public_of_a_mistake_is_what_holds_instead(tmp_path: Path) -> None:
    house = House(ManualClock(at("06-01 00:00")))
    calendar = house.calendar()
    kept = write(tmp_path, "kept.yaml", DUEL)
    write(tmp_path, "never.yaml", "format: secret-format\n")
    scripts = Scripts((tmp_path,), lambda path: load_scenario(path, env={}))
    for plan, changed_at in scripts.look().admitted:
        await calendar.admit(plan, changed_at=changed_at)
    kept.write_text("format: secret-format\n")
    scripts.look()

    assert Billing(calendar, scripts).problems() == [
        "The scenario kept has a mistake: its last good version holds.",
        "The scenario never has a mistake: it is not on the calendar.",
    ]
    assert Billing(calendar, scripts).failing() is None
    calendar.failure = "/secret/path: disk full"
    assert Billing(calendar, scripts).failing() == "the calendar's ledger can't be read or written"
    await house.ledger.aclose()
