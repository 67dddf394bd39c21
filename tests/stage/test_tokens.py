import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from debate_caster.clock import ManualClock, SystemClock
from debate_caster.errors import SetupError
from debate_caster.log import EventLog
from debate_caster.stage import Stage, TokenDesk, open_stage
from debate_caster.stage.tokens import Role, TokenRefusedError
from tests.stage.people import EXTENSIONS, Agent, agent_on, eventually, viewer_of

KEY = "a signing key that is long enough for every HMAC: 64 characters and more"
OTHER_KEY = "quite another key that is long enough for every HMAC: 64 characters and more"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what others can reach is the point
HOUR = timedelta(hours=1)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    whole = {
        "iss": "debate-caster",
        "aud": "debate-caster-stage",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": "0123",
        "role": "agent",
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


@pytest.fixture
def desk() -> TokenDesk:
    return TokenDesk([KEY], clock=SystemClock())


def key_name(desk: TokenDesk) -> str:
    name: str = jwt.get_unverified_header(desk.issue("agent", lasting=HOUR))["kid"]
    return name


def forged(desk: TokenDesk, key: str = KEY, *, algorithm: str = "HS256", kid: Any = None, **changed: Any) -> str:
    """A token as this desk would make it, but for one thing."""
    headers = {"kid": key_name(desk) if kid is None else kid}
    return jwt.encode(claims(**changed), key if algorithm != "none" else "", algorithm=algorithm, headers=headers)


def test_a_token_says_who_may_come_where_and_until_when() -> None:
    clock = ManualClock()
    desk = TokenDesk([KEY], clock=clock)

    token = desk.check(desk.issue("agent", lasting=HOUR, show="friday-1", agent="ada"), role="agent")

    assert (token.role, token.show, token.agent) == ("agent", "friday-1", "ada")
    assert token.expires_at == int(clock.now().timestamp()) + 3600
    assert desk.check(desk.issue("agent", lasting=HOUR), role="agent").id != token.id


BAD: dict[str, Callable[[TokenDesk], str]] = {
    "no signature": lambda desk: forged(desk, algorithm="none"),
    "another algorithm": lambda desk: forged(desk, algorithm="HS512"),
    "another key": lambda desk: forged(desk, OTHER_KEY),
    "a key of no name": lambda desk: forged(desk, kid="other"),
    "a key with a strange name": lambda desk: forged(desk, kid="../../dev/null"),
    "another issuer": lambda desk: forged(desk, iss="somebody"),
    "another audience": lambda desk: forged(desk, aud="another-stage"),
    "an audience among others": lambda desk: forged(desk, aud=["debate-caster-stage", "x"]),
    "expired": lambda desk: forged(desk, exp=claims()["iat"] - 1),
    "not yet valid": lambda desk: forged(desk, nbf=claims()["iat"] + 3600),
    "never expires": lambda desk: forged(desk, exp=None),
    "expires in words": lambda desk: forged(desk, exp="tomorrow"),
    "expires never, in numbers": lambda desk: forged(desk, exp=1e400),
    "expires truly": lambda desk: forged(desk, exp=True),
    "no role": lambda desk: forged(desk, role=None),
    "a role of its own": lambda desk: forged(desk, role="root"),
    "a list of roles": lambda desk: forged(desk, role=["agent"]),
    "a viewer's": lambda desk: desk.issue("viewer", lasting=HOUR),
    "a producer's": lambda desk: desk.issue("producer", lasting=HOUR),
    "a show that is a number": lambda desk: forged(desk, show=7),
    "empty": lambda _: "",
    "no token": lambda _: "secret",
    "three dots": lambda _: "...",
    "not ASCII": lambda _: "é.é.é",
    "too long": lambda desk: forged(desk, show="x" * 4000),
    "a header that is a list": lambda _: base64.urlsafe_b64encode(b"[]").decode() + ".e30.AA",
    "a header of nested lists": lambda _: base64.urlsafe_b64encode(b"[" * 900).decode() + ".e30.AA",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_token_that_is_wrong_in_any_way_is_refused(desk: TokenDesk, bad: Callable[[TokenDesk], str]) -> None:
    desk.check(forged(desk), role="agent")  # the same, with nothing wrong
    raw = bad(desk)

    with pytest.raises(TokenRefusedError) as refused:
        desk.check(raw, role="agent")

    assert not raw or raw not in str(refused.value)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS384"])
def test_what_a_token_says_of_its_algorithm_is_not_believed(desk: TokenDesk, algorithm: str) -> None:
    head, body, signature = forged(desk).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | {"alg": algorithm}
    swapped = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")

    with pytest.raises(TokenRefusedError):
        desk.check(f"{swapped}.{body}.{signature}", role="agent")


@given(raw=st.text(max_size=300))
def test_whatever_comes_is_refused_in_one_way(raw: str) -> None:
    with pytest.raises(TokenRefusedError):
        TokenDesk([KEY], clock=ManualClock()).check(raw, role="agent")


@given(place=st.integers(min_value=0, max_value=10_000), letter=st.sampled_from("AZaz09-_"))
def test_a_token_with_one_letter_changed_is_refused_or_says_the_same(place: int, letter: str) -> None:
    desk = TokenDesk([KEY], clock=ManualClock())
    raw = desk.issue("agent", lasting=HOUR, show="friday-1")
    place %= len(raw)
    changed = raw[:place] + letter + raw[place + 1 :]
    try:
        token = desk.check(changed, role="agent")
    except TokenRefusedError:
        return
    assert token == desk.check(raw, role="agent")  # the last letter of base64 has bits that mean nothing


def test_keys_are_changed_without_a_gap() -> None:
    old = TokenDesk([KEY], clock=SystemClock())
    both = TokenDesk([OTHER_KEY, KEY], clock=SystemClock())
    new = TokenDesk([OTHER_KEY], clock=SystemClock())

    both.check(old.issue("agent", lasting=HOUR), role="agent")
    new.check(both.issue("agent", lasting=HOUR), role="agent")
    with pytest.raises(TokenRefusedError):
        new.check(old.issue("agent", lasting=HOUR), role="agent")


@pytest.mark.parametrize("keys", [[], ["short"], [KEY, ""]])
def test_a_key_that_could_be_guessed_is_none(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        TokenDesk(keys, clock=SystemClock())


@pytest.mark.parametrize("lasting", [timedelta(0), timedelta(seconds=-1), timedelta(days=4000)])
def test_a_token_lasts_up_to_a_year(desk: TokenDesk, lasting: timedelta) -> None:
    with pytest.raises(ValueError, match="up to a year"):
        desk.issue("agent", lasting=lasting)


# -- at the stage ------------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(log: EventLog, desk: TokenDesk) -> AsyncIterator[Stage]:
    async with open_stage(log=log, tokens=desk) as stage:
        yield stage


@asynccontextmanager
async def bearer_on(stage: Stage, token: str) -> AsyncIterator[Agent]:
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None, additional_headers=headers) as socket:
        yield Agent(socket)


async def test_a_stage_for_others_wants_tokens_or_to_be_told_that_it_is_open(log: EventLog, desk: TokenDesk) -> None:
    with pytest.raises(SetupError, match="not open to every agent unasked"):
        async with open_stage(EVERYWHERE, log=log, allow_public=True):
            raise AssertionError("it was opened")
    async with open_stage(EVERYWHERE, log=log, allow_public=True, open_to_agents=True) as stage, agent_on(stage) as ann:
        await ann.register("ann")
    async with open_stage(EVERYWHERE, log=log, allow_public=True, tokens=desk) as stage, agent_on(stage) as ann:
        await ann.say("register", agentId="ann", name="Ann")
        assert (await ann.hear())["code"] == "AUTH_FAILED"


@pytest.mark.parametrize("way", ["header", "register"])
async def test_a_token_lets_an_agent_in_by_either_way(guarded: Stage, desk: TokenDesk, way: str) -> None:
    token = desk.issue("agent", lasting=HOUR)
    if way == "header":
        async with bearer_on(guarded, token) as ann:
            await ann.register("ann")
            await ann.start(title="On air")
    else:
        async with agent_on(guarded) as ann:
            await ann.register("ann", token=token)
            await ann.start(title="On air")
    assert (ann.registered["agentId"], [frame["type"] for frame in ann.frames]) == (
        "ann",
        ["registered", "broadcast_approved"],
    )


@pytest.mark.parametrize("bad", [bad for name, bad in BAD.items() if name not in {"empty", "not ASCII"}])
async def test_nobody_gets_in_with_a_bad_token(
    guarded: Stage, desk: TokenDesk, bad: Callable[[TokenDesk], str], log: EventLog
) -> None:
    raw = bad(desk)
    with pytest.raises(InvalidStatus) as refused:
        async with bearer_on(guarded, raw):
            raise AssertionError("the handshake was accepted")
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"

    async with agent_on(guarded) as mallory:
        await mallory.say("register", agentId="mallory", name="Mallory", token=raw)
        error = await mallory.hear()
        assert (error["code"], raw in json.dumps(error)) == ("AUTH_FAILED", False)
        await mallory.say("broadcast_start", title="Mine now")
        assert (await mallory.hear())["code"] == "AUTH_FAILED"
    assert not await log.streams("air/"), "nothing went on air"


async def test_a_bad_token_in_register_is_not_made_good_by_one_in_the_header(guarded: Stage, desk: TokenDesk) -> None:
    async with bearer_on(guarded, desk.issue("agent", lasting=HOUR)) as ann:
        await ann.say("register", agentId="ann", name="Ann", token="not one")
        assert (await ann.hear())["code"] == "AUTH_FAILED"


async def test_a_token_in_the_address_is_not_looked_at(guarded: Stage, desk: TokenDesk) -> None:
    token = desk.issue("agent", lasting=HOUR)
    async with agent_on(guarded, f"/ws?token={token}&access_token={token}") as ann:
        await ann.say("register", agentId="ann", name="Ann")
        assert (await ann.hear())["code"] == "AUTH_FAILED"


async def test_a_token_for_one_agent_is_nobody_elses(guarded: Stage, desk: TokenDesk) -> None:
    token = desk.issue("agent", lasting=HOUR, agent="ann")
    async with agent_on(guarded) as eve, agent_on(guarded) as ann:
        await eve.say("register", agentId="eve", name="Eve", token=token)
        assert "another agent's" in (await eve.hear())["message"]
        await ann.register("ann", token=token)


CLAIM = {"key": "the caster's key", "title": "A show", "motion": "Tea beats coffee", "agent": "ann", "order": 0}


async def test_a_token_for_one_show_opens_rooms_of_no_other(guarded: Stage, desk: TokenDesk) -> None:
    token = desk.issue("agent", lasting=HOUR, show="friday-1")
    async with agent_on(guarded) as ann:
        await ann.register("ann", token=token, features=EXTENSIONS)
        for start in ({"title": "A room of its own"}, {"title": "Saturday", "show": CLAIM | {"id": "saturday-1"}}):
            await ann.say("broadcast_start", **start)
            assert (await ann.hear())["reason"] == "token_show"
        await ann.start(title="Friday", show=CLAIM | {"id": "friday-1"})
    async with agent_on(guarded) as plain:  # without the extension a claim means nothing
        await plain.register("bob", token=token)
        await plain.say("broadcast_start", title="Friday", show=CLAIM | {"id": "friday-1"})
        assert (await plain.hear())["reason"] == "token_show"


async def test_a_token_for_one_show_resumes_no_room_of_another(guarded: Stage, desk: TokenDesk) -> None:
    about = {"secret": "ann's secret", "features": EXTENSIONS}
    async with agent_on(guarded) as ann:
        await ann.register("ann", token=desk.issue("agent", lasting=HOUR), **about)
        await ann.start(title="Friday", show=CLAIM | {"id": "friday-1"})
    for named in ({"room": ann.room}, {"show": "friday-1"}):
        for show, resumed in (("saturday-1", False), ("friday-1", True)):
            token = desk.issue("agent", lasting=HOUR, show=show)
            async with agent_on(guarded) as again:
                await again.register("ann", token=token, resume=named, **about)
                assert ("resume" in again.registered) is resumed


async def test_an_agent_on_air_does_not_get_a_token_for_another_show(guarded: Stage, desk: TokenDesk) -> None:
    async with agent_on(guarded) as ann:
        await ann.register("ann", token=desk.issue("agent", lasting=HOUR), features=EXTENSIONS)
        await ann.start(title="Friday", show=CLAIM | {"id": "friday-1"})
        token = desk.issue("agent", lasting=HOUR, show="saturday-1")
        await ann.say("register", agentId="ann", name="Ann", token=token)
        assert "another show's" in (await ann.hear("error"))["message"]


async def test_who_stays_beyond_the_end_of_its_token_is_shown_out_within_a_second(
    guarded: Stage, desk: TokenDesk, log: EventLog
) -> None:
    async with agent_on(guarded) as ann, viewer_of(guarded) as nobody:
        await nobody.hear_close()  # there is no show yet
        token = forged(desk, exp=int(datetime.now(UTC).timestamp()) + 2)
        await ann.register("ann", token=token)
        await ann.start(title="Short")
        await ann.stream("said in time")
        until = desk.check(token, role="agent").expires_at

        assert await ann.hear_close() == 4401

        assert 0 <= datetime.now(UTC).timestamp() - until < 1

    async def closed() -> bool:
        (air,) = await log.streams("air/")
        return any('"room_closed"' in record.body for record in await log.read(air.name, 0))

    await eventually(closed)


async def test_a_new_token_in_time_lets_an_agent_stay(guarded: Stage, desk: TokenDesk) -> None:
    async with agent_on(guarded) as ann:
        await ann.register("ann", token=forged(desk, exp=int(datetime.now(UTC).timestamp()) + 1))
        await ann.start(title="Longer")
        await ann.register("ann", token=desk.issue("agent", lasting=HOUR))
        await asyncio.sleep(1.5)
        await ann.say("heartbeat", agentId="ann")
        rooms = (await ann.hear("heartbeat_ack"))["activeRooms"]
        assert [room["broadcastId"] for room in rooms] == [ann.room]


async def test_an_id_stays_bound_to_its_secret_whatever_token_comes(guarded: Stage, desk: TokenDesk) -> None:
    async with agent_on(guarded) as ann, agent_on(guarded) as eve:
        await ann.register("ann", token=desk.issue("agent", lasting=HOUR), secret="ann's secret")
        for secret in ({}, {"secret": "eve's secret"}):
            await eve.say("register", agentId="ann", name="Ann", token=desk.issue("agent", lasting=HOUR), **secret)
            assert (await eve.hear())["code"] == "AUTH_FAILED"
        await ann.start(title="Still here")


@pytest.mark.parametrize("role", ["viewer", "producer"])
async def test_only_agents_need_a_token_and_only_agents_tokens_do(guarded: Stage, desk: TokenDesk, role: Role) -> None:
    async with agent_on(guarded) as ann:
        await ann.say("register", agentId="ann", name="Ann", token=desk.issue(role, lasting=HOUR))
        assert f"a {role}'s" in (await ann.hear())["message"]
    async with bearer_on(guarded, desk.issue("agent", lasting=HOUR)) as ann, viewer_of(guarded) as viewer:
        await viewer.hear_close()
        await ann.register("ann")


async def test_an_open_stage_looks_at_no_token(stage: Stage) -> None:
    async with bearer_on(stage, "of another server") as ann:
        await ann.register("ann", token="of another server")
        assert [frame["type"] for frame in ann.frames] == ["registered"]


async def test_nobody_gets_in_without_a_token(guarded: Stage) -> None:
    async with agent_on(guarded) as mallory:
        await mallory.say("register", agentId="mallory", name="Mallory")
        assert (await mallory.hear())["code"] == "AUTH_FAILED"


async def test_what_is_still_queued_when_a_token_ends_is_not_aired(
    guarded: Stage, desk: TokenDesk, log: EventLog
) -> None:
    async with agent_on(guarded) as ann:
        token = forged(desk, exp=int(datetime.now(UTC).timestamp()) + 2)
        await ann.register("ann", token=token, features=EXTENSIONS)
        await ann.start(title="Much to say")
        for ref in range(1, 401):  # held to 20 a second, this takes 18 s to be heard
            await ann.stream(f"line {ref}", ref=ref)
        assert await ann.hear_close() == 4401

    async def closed() -> bool:
        (air,) = await log.streams("air/")
        return any('"room_closed"' in record.body for record in await log.read(air.name, 0))

    await eventually(closed)
    (air,) = await log.streams("air/")
    assert sum('"chunk_aired"' in record.body for record in await log.read(air.name, 0)) < 150
