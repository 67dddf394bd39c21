from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from debate_caster.stage.summary import Summary

NAMES = st.sampled_from(["ada", "bob", "cleo"])
ROOMS = st.sampled_from(["bc_1", "bc_2", "bc_3"])
AT = {"at": "2026-01-01T00:00:00.000Z"}


def event(type_: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    values = {key: value if isinstance(value, st.SearchStrategy) else st.just(value) for key, value in fields.items()}
    return st.fixed_dictionaries({"type": st.just(type_), "at": st.just(AT["at"]), **values})


EVENTS = st.one_of(
    event(
        "show_started",
        title="T",
        motion="M",
        agents=st.lists(st.fixed_dictionaries({"id": NAMES, "name": NAMES}), unique_by=lambda agent: agent["id"]),
        phases=[{"key": "k"}],
        turns=3,
    ),
    event("room_opened", room=ROOMS, agent=st.fixed_dictionaries({"id": NAMES, "name": NAMES}), title="R", host="h"),
    event("room_reconnecting", room=ROOMS, agent=NAMES),
    event("room_resumed", room=ROOMS, agent=NAMES),
    event("room_closed", room=ROOMS, agent=NAMES, reason="ended"),
    event("phase_started", phase=0, key="k", title="K", via=ROOMS, ref=st.integers(0, 50)),
    event("turn_started", turn=0, speaker=NAMES),
    event("chunk_aired", room=ROOMS, speaker=NAMES, text="x", ref=st.integers(0, 50)),
    event("turn_ended", turn=0, speaker=NAMES),
    event("show_ended", why="completed"),
    event("show_paused"),
    event("show_resumed"),
    event("something_of_the_future", room=ROOMS),
)


@given(events=st.lists(EVENTS, max_size=30))
def test_every_prefix_of_any_log_is_a_legal_summary(events: list[dict[str, Any]]) -> None:
    summary, refs = Summary("s"), dict.fromkeys(["bc_1", "bc_2", "bc_3"], 0)
    for seq, fields in enumerate(events, start=1):
        summary.apply(fields, seq)
        shown = summary.as_json()

        assert shown["head"] == seq
        assert shown["state"] in {"live", "ended"}
        assert not (shown["state"] == "ended" and shown["paused"])
        assert not (shown["state"] == "ended" and (shown["hints_open"] or shown["ended_at"] is None))
        ids = [agent["id"] for agent in shown["agents"]]
        assert len(ids) == len(set(ids))
        for identity, room in summary.rooms.items():
            assert room.last_ref >= 0
            if fields["type"] != "room_opened":
                assert room.last_ref >= refs[identity]
            refs[identity] = room.last_ref
        assert Summary.from_json(shown).as_json() == shown


def test_an_agent_is_found_by_id_side_or_name_in_this_order() -> None:
    summary = Summary("s")
    agents = [{"id": "bob", "name": "Ada", "side": "for"}, {"id": "ada", "name": "Bob", "side": "bob"}]
    summary.apply({"type": "show_started", "agents": agents, **AT}, 1)

    assert summary.agent_of("BOB") == "bob"
    assert summary.agent_of("for") == "bob"
    assert summary.agent_of("Ada") == "ada"
    assert summary.agent_of("nobody") is None


def test_a_room_that_opens_before_the_cast_is_known_finds_its_agent_by_name() -> None:
    summary = Summary("s")
    opened = {"type": "room_opened", "room": "bc_1", "agent": {"id": "ada-1f", "name": "Ada"}, "title": "", **AT}
    summary.apply(opened, 1)
    summary.apply({"type": "show_started", "agents": [{"id": "ada", "name": "Ada"}], **AT}, 2)

    assert [(agent["id"], agent["room"]) for agent in summary.agents] == [("ada", "bc_1")]
    assert summary.rooms["bc_1"].agent == "ada"
