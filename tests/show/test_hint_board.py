from datetime import UTC, datetime

from debate_caster.show.events import (
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintUsed,
    ShowEvent,
)
from debate_caster.show.hint_board import HINTS_KEPT, HintBoard

AT = datetime(2026, 1, 1, 12, 0, 0, 5000, tzinfo=UTC)


def offered(hint: str, text: str = "And birds?") -> HintOffered:
    return HintOffered(at=AT, hint=hint, viewer="v1", name="Zoe", text=text, to="Bob")


def board_of(*events: ShowEvent) -> list[dict[str, object]]:
    board = HintBoard()
    for event in events:
        board.take(event)
    return board.entries


def test_a_hint_is_shown_with_who_gave_it_when_and_what_it_came_to() -> None:
    (entry,) = board_of(
        offered("h1", "  And\nbirds?"), HintHeld(at=AT, hint="h1", viewer="v1", name="Zoe", text="And birds?", to="bob")
    )

    assert entry == {
        "id": "h1", "viewer": "v1", "name": "Zoe", "text": "And birds?", "to": "bob", "at": "2026-01-01T12:00:00.005Z",
        "state": "waiting",
    }  # fmt: skip


def test_each_hint_is_in_the_state_that_was_logged_last() -> None:
    entries = board_of(
        *(offered(f"h{number}") for number in range(6)),
        HintAccepted(at=AT, hint="h1", viewer="v1", text="And birds?"),
        HintAccepted(at=AT, hint="h2", viewer="v1", text="And birds?"),
        HintUsed(at=AT, hint="h2", viewer="v1", turn=1, speaker="ada"),
        HintDeclined(at=AT, hint="h3", viewer="v1", reason="filtered"),
        HintExpired(at=AT, hint="h4", viewer="v1", reason="lifetime"),
        HintHeld(at=AT, hint="h5", viewer="v1", text="And birds?"),
        HintDeclined(at=AT, hint="unknown", viewer="v1", reason="producer"),
    )

    assert [(entry["id"], entry["state"], entry.get("reason")) for entry in entries] == [
        ("h1", "queued", None),
        ("h2", "used", None),
        ("h3", "declined", "filtered"),
        ("h4", "expired", "lifetime"),
        ("h5", "waiting", None),
    ]


def test_what_was_declined_is_shown_as_one_printable_line_that_is_not_too_long() -> None:
    (entry,) = board_of(
        offered("h1", "\u202ebad\x07 " + "word " * 300), HintDeclined(at=AT, hint="h1", viewer="v1", reason="too_long")
    )

    text = str(entry["text"])
    assert text.startswith("bad word word")
    assert len(text) <= 500
    assert text.isprintable()


def test_no_number_of_declined_hints_pushes_off_one_that_waits() -> None:
    held = HintHeld(at=AT, hint="mine", viewer="v1", name="Zoe", text="And birds?", to="")
    junk: list[ShowEvent] = [
        event
        for number in range(2 * HINTS_KEPT)
        for event in (offered(f"h{number}"), HintDeclined(at=AT, hint=f"h{number}", viewer="v1", reason="too_fast"))
    ]

    entries = board_of(offered("mine"), held, *junk)

    assert len(entries) == HINTS_KEPT
    assert entries[0]["id"] == "mine"
    assert entries[-1]["id"] == f"h{2 * HINTS_KEPT - 1}"


def test_only_the_latest_hints_are_kept() -> None:
    events: list[ShowEvent] = []
    for number in range(HINTS_KEPT + 5):
        events += [offered(f"h{number}"), HintAccepted(at=AT, hint=f"h{number}", viewer="v1", text="x")]

    entries = board_of(*events)

    assert len(entries) == HINTS_KEPT
    assert (entries[0]["id"], entries[-1]["id"]) == ("h5", f"h{HINTS_KEPT + 4}")
