"""Asking a server whether it is there: what it is asked, and every answer that is none."""

import pytest
from pydantic import SecretStr

from debate_caster import addresses
from debate_caster.clock import ManualClock, SystemClock
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm.probing import MAX_LIST_BYTES, Answer, ask_for_models, ask_for_sign_of_life
from tests.llm.test_reviewing import document, office

LIST = {"object": "list", "data": [{"id": "parrot"}, {"id": 7}, "magpie", {"id": "raven"}]}


async def ask(answer: bytes, *, key: str = "") -> Answer:
    """Have a loopback server asked that answers with these bytes."""
    async with office(answer) as desk:
        return await ask_for_models(
            f"{desk.url}/v1/",
            name="models",
            api_key=SecretStr(key) if key else None,
            allow_private=False,
            clock=ManualClock(),
            timeout_s=20,
        )


async def test_the_names_of_the_models_are_read_and_what_is_none_is_passed_over() -> None:
    assert await ask(document(LIST)) == Answer(200, frozenset({"parrot", "raven"}))


@pytest.mark.parametrize(
    "answer",
    [
        document({"data": []}),
        document({"models": ["parrot"]}),
        document(["parrot"]),
        document(b"<html>"),
        document(b"[" * 100_000),
        document(b" " * (MAX_LIST_BYTES + 1)),
    ],
)
async def test_a_list_that_can_not_be_read_says_nothing(answer: bytes) -> None:
    assert await ask(answer) == Answer(200)


@pytest.mark.parametrize("status", ["401 Unauthorized", "301 Moved Permanently", "503 Service Unavailable"])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(status: str) -> None:
    moved = document(LIST, status, "Location: http://127.0.0.1:1/v1/models\r\n")

    assert await ask(moved) == Answer(int(status[:3]))


@pytest.mark.parametrize(
    ("headers", "ahead_s"),
    [
        ("Date: Thu, 01 Jan 2026 00:00:30 GMT\r\n", 30.0),
        ("Date: Wed, 31 Dec 2025 23:59:00 -0000\r\n", -60.0),
        ("Date: Thu, 01 Jan 2026 00:00:30 GMT\r\nAge: 30\r\n", None),
        ("Date: tomorrow\r\n", None),
        ("", None),
    ],
)
async def test_a_servers_clock_is_compared_with_ours_unless_its_answer_is_an_old_one(
    headers: str, ahead_s: float | None
) -> None:
    answer = await ask(document(LIST, headers=headers))

    assert answer.ahead_s == ahead_s


async def test_a_server_that_hangs_up_or_never_answers_is_an_error_of_ours() -> None:
    with pytest.raises(ModelError, match="models"):
        await ask(b"")
    async with office(document(LIST), limit=0, failure=None) as desk:
        with pytest.raises(ModelError, match=r"no answer within 0\.05 s"):
            await ask_for_sign_of_life(desk.url, name="hook", allow_private=False, clock=SystemClock(), timeout_s=0.05)


async def test_a_name_that_leads_into_a_private_network_is_not_asked_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    monkeypatch.setattr(addresses, "look_up", look_up)
    with pytest.raises(SetupError, match=r"models: models\.example is not at a public address") as refused:
        await ask_for_models(
            "https://models.example/v1",
            name="models",
            api_key=SecretStr("key"),
            allow_private=False,
            clock=ManualClock(),
            timeout_s=20,
        )

    assert "allow_private: true" in refused.value.cure
