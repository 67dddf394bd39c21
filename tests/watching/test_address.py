import pytest

from debate_caster.errors import SetupError
from debate_caster.watching import StageAddress


@pytest.mark.parametrize(
    ("url", "base", "show"),
    [
        ("http://127.0.0.1:8765", "ws://127.0.0.1:8765/watch", None),
        ("https://stage.example/", "wss://stage.example/watch", None),
        ("http://127.0.0.1:8765/shows/demo-1", "ws://127.0.0.1:8765/watch", "demo-1"),
        ("http://127.0.0.1:8765/overlay/demo-1?layout=split", "ws://127.0.0.1:8765/watch", "demo-1"),
        ("ws://[::1]:9/watch", "ws://[::1]:9/watch", None),
        ("https://example.org/debates/shows/a%3Ab", "wss://example.org/debates/watch", "a:b"),
    ],
)
def test_any_address_of_a_stage_leads_to_its_viewers_entrance(url: str, base: str, show: str | None) -> None:
    address = StageAddress.of(url)

    assert (address.base, address.show) == (base, show)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8765", "ftp://host", "http://", "http://h:99999", "http://a:b@h/"])
def test_what_is_no_address_of_a_stage_is_refused(url: str) -> None:
    with pytest.raises(SetupError):
        StageAddress.of(url)


def test_what_is_asked_for_is_in_the_address_and_can_t_add_to_it() -> None:
    address = StageAddress.of("http://localhost:1")

    url = address.watch_url(show="a&after=9", room=None, speaker="ada", types=("chunk_aired", "show_ended"), after=3)

    assert url == "ws://localhost:1/watch?show=a%26after%3D9&speaker=ada&types=chunk_aired%2Cshow_ended&after=3"
    assert address.is_loopback
    assert not StageAddress.of("https://stage.example").is_loopback
