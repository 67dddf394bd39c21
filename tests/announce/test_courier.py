"""Deliveries to loopback receivers that fail in every way, and what survives whom."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from debate_caster.announce.courier import AT_ONCE, MOST_ATTEMPTS, Courier, receivers_of
from debate_caster.announce.outbox import KEPT, LEASE, Outbox
from debate_caster.announce.postman import POST_TIMEOUT_S, Postman
from debate_caster.clock import EPOCH_OF_TESTS, ManualClock, SystemClock, VirtualClock, run_virtual
from debate_caster.llm import destinations
from tests.announce.receivers import OK, Receiver, at_work, notice, receiver, scenario, script


async def test_a_receiver_gets_the_notice_signed_and_with_its_id(tmp_path: Path) -> None:
    async with receiver() as target:
        debate = scenario(tmp_path, script(f"{target.url}/hook?a=b", secret="canary"))
        async with at_work(SystemClock(), debate) as courier:
            await courier.announce(debate, notice(at=SystemClock().now()))
            left = await courier.drained(10)

    [body] = target.bodies
    stamp, digest = (part.partition("=")[2] for part in target.header("Debate-Caster-Signature").split(","))
    assert left == 0
    assert target.heads[0].startswith("POST /hook?a=b ")
    assert target.header("Content-Type") == "application/json"
    assert json.loads(body)["id"] == target.header("Debate-Caster-Id") == "friday-1.live"
    assert digest == hmac.new(b"canary", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert "canary" not in target.heads[0] + body.decode()


async def test_a_receiver_without_a_secret_gets_no_signature(tmp_path: Path) -> None:
    async with receiver() as target:
        debate = scenario(tmp_path, script(target.url))
        async with at_work(SystemClock(), debate) as courier:
            await courier.announce(debate, notice(at=SystemClock().now()))
            await courier.drained(10)

    assert target.header("Debate-Caster-Signature") == ""


def signed_with(secret: str, target: Receiver, request: int) -> bool:
    stamp, digest = (part.partition("=")[2] for part in target.header("Debate-Caster-Signature", request).split(","))
    body = f"{stamp}.".encode() + target.bodies[request]
    return digest == hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_scenarios_that_tell_one_receiver_sign_each_with_its_own_secret(tmp_path: Path) -> None:
    now = SystemClock().now()
    async with receiver() as target:
        friday = scenario(tmp_path, script(target.url, secret="friday's"))
        sunday = scenario(tmp_path, script(target.url, secret="sunday's"), key="sunday")
        monday = scenario(tmp_path, script(target.url), key="monday")
        async with at_work(SystemClock(), friday, sunday, monday) as courier:
            await courier.announce(friday, notice(at=now))
            await courier.announce(sunday, notice(show="sunday-1", at=now, scenario="sunday"))
            await courier.announce(monday, notice(show="monday-1", at=now, scenario="monday"))
            assert await courier.drained(10) == 0

    requests = {show: number for number, show in enumerate(target.ids)}
    assert signed_with("friday's", target, requests["friday-1.live"])
    assert signed_with("sunday's", target, requests["sunday-1.live"])
    assert target.header("Debate-Caster-Signature", requests["monday-1.live"]) == ""


async def test_entries_for_one_address_sign_each_with_its_own_secret(tmp_path: Path) -> None:
    async with receiver() as target:
        debate = scenario(tmp_path, script(target.url, secret="one"), script(target.url, secret="other"))
        async with at_work(SystemClock(), debate) as courier:
            await courier.announce(debate, notice(at=SystemClock().now()))
            assert await courier.drained(10) == 0

    assert target.ids == ["friday-1.live"] * 2
    signers = [secret for request in (0, 1) for secret in ("one", "other") if signed_with(secret, target, request)]
    assert sorted(signers) == ["one", "other"]


async def test_what_waits_for_a_receiver_is_not_told_in_the_name_of_another_scenario(tmp_path: Path) -> None:
    path, clock = tmp_path / "announcements.db", SystemClock()
    async with receiver() as target:
        friday = scenario(tmp_path, script(target.url, secret="friday's"))
        sunday = scenario(tmp_path, script(target.url, secret="sunday's"), key="sunday")
        async with at_work(clock, sunday, outbox=Outbox(path)) as courier:
            await courier.announce(friday, notice(at=clock.now()))
            await courier.announce(sunday, notice(show="sunday-1", at=clock.now(), scenario="sunday"))
            assert await courier.drained(10) == 0
        meanwhile = list(target.ids)
        async with at_work(clock, friday, outbox=Outbox(path)) as courier:
            assert await courier.drained(10) == 0

    assert (meanwhile, target.ids) == (["sunday-1.live"], ["sunday-1.live", "friday-1.live"])
    assert signed_with("friday's", target, -1)


async def test_a_secret_that_was_changed_signs_what_waits_and_tells_nothing_twice(tmp_path: Path) -> None:
    clock = SystemClock()
    async with receiver() as target:
        before, after = (scenario(tmp_path, script(target.url, secret=secret)) for secret in ("old", "new"))
        async with at_work(clock, before) as courier:
            await courier.announce(before, notice(at=clock.now()))
            assert await courier.drained(10) == 0
            await courier.announce(before, notice("ended", at=clock.now()))
            courier.serve(after)
            await courier.announce(after, notice(at=clock.now()))
            assert await courier.drained(10) == 0

    assert target.ids == ["friday-1.live", "friday-1.ended"]
    assert signed_with("new", target, -1)


def test_leave_for_a_private_address_is_shared_with_no_other_entry(tmp_path: Path) -> None:
    url = "https://hooks.example.org/show"
    debate = scenario(tmp_path, script(url), script(url, on=("ended",)), script(url, allow_private=True))
    plain, the_same, private = receivers_of(debate).values()

    assert plain == the_same != private
    assert plain == hashlib.sha256(f"json {url}".encode()).hexdigest()[:32], "as outboxes have it from before"


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slow down", "408 Late", "", None])
def test_whoever_fails_is_asked_again_with_the_same_id_until_it_answers(status: str | None, tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> tuple[list[str], int, float]:
        async with receiver(status, status, status, OK) as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice())
                left = await courier.drained(200)
            return target.ids, left, clock.monotonic()

    ids, left, took_s = run_virtual(main)

    assert (ids, left) == (["friday-1.live"] * 4, 0)
    assert took_s >= 0.5 * (1 + 2 + 4)


@pytest.mark.parametrize(
    "status", ["400 No", "401 Who", "404 Gone", "410 Gone", "301 Moved\r\nLocation: /other", "307 T"]
)
def test_a_refusal_and_a_redirect_are_final_and_end_with_a_line_in_the_log(status: str, tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> tuple[list[str], int]:
        async with receiver(status) as target:
            debate = scenario(tmp_path, script(f"{target.url}/canary"))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice())
                left = await courier.drained(60)
            return target.ids, left

    with capture_logs() as lines:
        ids, left = run_virtual(main)

    [line] = [line for line in lines if line["event"] == "announcement_given_up"]
    assert (len(ids), left) == (1, 0)
    assert (line["to"], line["kind"], line["show"], line["attempts"]) == ("127.0.0.1", "live", "friday-1", 1)
    assert status[:3] in line["why"]
    assert "canary" not in str(lines)


def test_a_receiver_that_never_answers_is_given_up_in_bounds(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> tuple[int, int, float]:
        async with receiver(None) as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice("ended"))
                left = await courier.drained(1e6)
            return len(target.ids), left, clock.monotonic()

    with capture_logs() as lines:
        requests, left, took_s = run_virtual(main)

    assert (requests, left) == (MOST_ATTEMPTS, 0)
    assert took_s <= MOST_ATTEMPTS * (300 + POST_TIMEOUT_S + 1)
    assert [line["event"] for line in lines].count("announcement_given_up") == 1


def test_a_receiver_that_says_when_to_come_back_is_left_alone_until_then(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> float:
        async with receiver("429 Slow down\r\nRetry-After: 90", OK) as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice())
                assert await courier.drained(500) == 0
            return clock.monotonic()

    assert 90 <= run_virtual(main) < 95


def test_what_nobody_needs_to_hear_any_more_is_given_up(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> tuple[int, float]:
        async with receiver("500 Oops") as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice("starting_soon", starts_in_s=60))
                assert await courier.drained(500) == 0
            return len(target.ids), clock.monotonic()

    requests, took_s = run_virtual(main)

    assert 4 <= requests <= 8
    assert took_s < 60


def test_a_dead_receiver_holds_up_no_other(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> float:
        async with receiver(None) as dead, receiver() as well:
            debate = scenario(tmp_path, script(dead.url), script(well.url))
            async with at_work(clock, debate) as courier:
                for number in range(5):
                    await courier.announce(debate, notice(show=f"friday-{number}"))
                while len(well.ids) < 5:
                    await clock.sleep(0.05)
            return clock.monotonic()

    assert run_virtual(main) < POST_TIMEOUT_S


def test_more_dead_receivers_than_are_told_at_once_hold_up_others_for_one_attempt(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> float:
        async with receiver(None) as dead, receiver() as well:
            hooks = [script(f"{dead.url}/{number}") for number in range(AT_ONCE + 4)]
            debate, other = scenario(tmp_path, *hooks), scenario(tmp_path, script(well.url), key="sunday")
            async with at_work(clock, debate, other) as courier:
                for number in range(5):
                    await courier.announce(debate, notice(show=f"friday-{number}"))
                await clock.sleep(120)
                begun = clock.monotonic()
                await courier.announce(other, notice(show="sunday-1", scenario="sunday"))
                while not well.ids:
                    await clock.sleep(0.05)
                return clock.monotonic() - begun

    assert run_virtual(main) <= POST_TIMEOUT_S + 1


def test_a_show_is_told_of_in_order(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> list[str]:
        async with receiver("500 Oops", "500 Oops", OK) as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                await courier.announce(debate, notice("live"))
                await courier.announce(debate, notice("ended"))
                assert await courier.drained(100) == 0
            return target.ids

    assert run_virtual(main) == ["friday-1.live"] * 3 + ["friday-1.ended"]


def test_announcing_waits_for_no_receiver(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> float:
        async with receiver(None) as dead:
            debate = scenario(tmp_path, script(dead.url))
            async with at_work(clock, debate) as courier:
                for number in range(20):
                    await courier.announce(debate, notice(show=f"friday-{number}"))
                return clock.monotonic()

    assert run_virtual(main) == 0


async def test_each_is_told_once_however_often_it_is_announced_and_by_whom(tmp_path: Path) -> None:
    path, now = tmp_path / "announcements.db", SystemClock().now()
    async with receiver() as target:
        debate = scenario(tmp_path, script(target.url))
        async with (
            at_work(SystemClock(), debate, outbox=Outbox(path)) as first,
            at_work(SystemClock(), debate, outbox=Outbox(path)) as second,
        ):
            for _ in range(3):
                await first.announce(debate, notice(at=now))
                await second.announce(debate, notice(at=now))
            await first.drained(10)
            await second.announce(debate, notice(at=now))
            await second.drained(10)

    assert target.ids == ["friday-1.live"]


async def test_only_who_wants_to_hear_it_is_told(tmp_path: Path) -> None:
    async with receiver() as one, receiver() as other:
        debate = scenario(tmp_path, script(one.url, on=("live",)), script(other.url, on=("ended", "scheduled")))
        async with at_work(SystemClock(), debate) as courier:
            await courier.announce(debate, notice("live", at=SystemClock().now()))
            await courier.announce(debate, notice("ended", at=SystemClock().now()))
            await courier.drained(10)

    assert (one.ids, other.ids) == (["friday-1.live"], ["friday-1.ended"])


async def test_what_was_announced_outlives_the_process_and_is_delivered_by_the_next(tmp_path: Path) -> None:
    path, clock = tmp_path / "announcements.db", SystemClock()
    async with receiver() as target:
        debate = scenario(tmp_path, script(target.url))
        async with aclosing(Outbox(path)) as box:
            await Courier(box, clock=clock, random=Random(1)).announce(debate, notice(at=clock.now()))

        async with at_work(clock, debate, outbox=Outbox(path)) as courier:
            assert await courier.drained(10) == 0

    assert target.ids == ["friday-1.live"]
    assert target.url.encode() not in path.read_bytes()


async def test_what_is_being_delivered_when_we_stop_is_let_go_at_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "announcements.db", SystemClock()
    async with receiver(None) as target:
        debate = scenario(tmp_path, script(target.url))
        async with at_work(clock, debate, outbox=Outbox(path)) as courier:
            await courier.announce(debate, notice(at=clock.now()))
            while not target.ids:  # noqa: ASYNC110 - a receiver's list
                await asyncio.sleep(0.01)
        target.statuses = [OK]
        async with at_work(clock, debate, outbox=Outbox(path)) as courier:
            assert await courier.drained(10) == 0

    assert target.ids == ["friday-1.live"] * 2


def test_what_somebody_died_with_is_delivered_once_its_lease_is_over(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> float:
        async with receiver() as target:
            debate = scenario(tmp_path, script(target.url))
            box = Outbox(tmp_path / "announcements.db")
            async with aclosing(Outbox(tmp_path / "announcements.db")) as dying:
                courier = Courier(dying, clock=clock, random=Random(1))
                courier.serve(debate)
                await courier.announce(debate, notice())
                await dying.take([(receivers_of(debate)[debate.announce[0]], debate.key)], clock.now(), limit=1)
            async with at_work(clock, debate, outbox=box) as next_one:
                assert await next_one.drained(100) == 0
            assert target.ids == ["friday-1.live"]
            return clock.monotonic()

    assert LEASE.total_seconds() <= run_virtual(main) < LEASE.total_seconds() + 5


async def test_a_private_address_is_told_nothing_unasked(tmp_path: Path) -> None:
    clock = SystemClock()
    debate = scenario(tmp_path, script("http://10.1.2.3/hook"), script("https://[fd00::1]/hook"))
    with capture_logs() as lines:
        async with at_work(clock, debate) as courier:
            await courier.announce(debate, notice(at=clock.now()))
            assert await courier.drained(10) == 0

    why = [line["why"] for line in lines if line["event"] == "announcement_given_up"]
    assert len(why) == 2
    assert all("allow_private" in one for one in why)


async def test_certificates_that_cannot_be_read_now_are_no_reason_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destinations._certificates.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    postman = Postman(scenario(tmp_path, script("https://hook.example/x")).announce[0], clock=SystemClock())

    answer = await postman.deliver(notice())

    assert ("SSL_CERT_FILE" in answer.problem, answer.final) == (True, False)


async def test_an_outbox_that_can_not_be_written_loses_the_announcement_and_not_the_show(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    debate = scenario(tmp_path, script("http://127.0.0.1:9/hook"))
    clock = ManualClock()
    with capture_logs() as lines:
        async with aclosing(Outbox(tmp_path / "file" / "announcements.db")) as box:
            courier = Courier(box, clock=clock, random=Random(1))
            assert not await courier.announce(debate, notice())

    assert [line["event"] for line in lines] == ["announcement_lost"]


async def test_nobody_to_tell_touches_no_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "announcements.db", SystemClock()
    debate = scenario(tmp_path)
    async with at_work(clock, debate, outbox=Outbox(path)) as courier:
        await courier.announce(debate, notice(at=clock.now()))
        assert await courier.drained(10) == 0

    assert not path.exists()


async def test_the_outbox_forgets_also_where_no_scenario_announces_any_more(tmp_path: Path) -> None:
    path, clock = tmp_path / "announcements.db", SystemClock()
    long_ago = clock.now() - KEPT - timedelta(hours=1)
    async with aclosing(Outbox(path)) as before:
        await before.put(["gone"], notice(at=long_ago), long_ago)
    with capture_logs() as lines:
        async with at_work(clock, scenario(tmp_path), outbox=Outbox(path)):
            while not lines:  # noqa: ASYNC110 - the log
                await asyncio.sleep(0.01)

    assert [line["event"] for line in lines] == ["announcement_given_up"]
    with closing(sqlite3.connect(path)) as rows:
        assert rows.execute("SELECT count(*) FROM announcements").fetchall() == [(0,)]


@pytest.fixture
def dismissed(monkeypatch: pytest.MonkeyPatch) -> list[Postman]:
    """Return whose HTTP client has been closed, as it grows."""
    closed: list[Postman] = []
    close = Postman.close

    async def noted(postman: Postman) -> None:
        await close(postman)
        closed.append(postman)

    monkeypatch.setattr(Postman, "close", noted)
    return closed


async def test_who_has_been_told_everything_is_let_go_until_there_is_more(
    tmp_path: Path, dismissed: list[Postman]
) -> None:
    clock = SystemClock()
    async with receiver() as target:
        debate = scenario(tmp_path, script(target.url))
        async with at_work(clock, debate) as courier:
            await courier.announce(debate, notice(at=clock.now()))
            while not dismissed:  # noqa: ASYNC110 - a list
                await asyncio.sleep(0.01)
            await courier.announce(debate, notice("ended", at=clock.now()))
            assert await courier.drained(10) == 0

    assert target.ids == ["friday-1.live", "friday-1.ended"]


async def test_whom_no_scenario_names_any_more_is_let_go_while_others_wait(
    tmp_path: Path, dismissed: list[Postman]
) -> None:
    clock = SystemClock()
    async with receiver() as gone, receiver("503 Later\r\nRetry-After: 600") as busy:
        debate = scenario(tmp_path, script(gone.url), script(busy.url))
        async with at_work(clock, debate) as courier:
            await courier.announce(debate, notice(at=clock.now()))
            while not (gone.ids and busy.ids):  # noqa: ASYNC110 - receivers' lists
                await asyncio.sleep(0.01)
            courier.serve(scenario(tmp_path, script(busy.url)))
            while not dismissed:  # noqa: ASYNC110 - a list
                await asyncio.sleep(0.01)
            assert len(dismissed) == 1, "not who is busy"


async def test_news_that_is_old_already_is_not_announced(tmp_path: Path) -> None:
    clock = ManualClock(EPOCH_OF_TESTS + timedelta(days=2))
    debate = scenario(tmp_path, script("http://127.0.0.1:9/hook"))
    async with aclosing(Outbox(tmp_path / "announcements.db")) as box:
        courier = Courier(box, clock=clock, random=Random(1))
        courier.serve(debate)
        assert await courier.announce(debate, notice("ended"))
        assert await courier.drained(1) == 0
