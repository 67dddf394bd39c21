import pytest
from pydantic import SecretStr

from debate_caster.broadcast.target import ShowIdentity, Target
from debate_caster.errors import BroadcastError


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/ws", "wss://pulsar.example", "ws://[::1]:8765/ws?x=y", "ws://h"])
def test_addresses_of_websockets_are_taken(url: str) -> None:
    Target("t", url).check()


@pytest.mark.parametrize(
    "url",
    ["", "http://h/", "ws://", "ws://h:99999/", "ws://h:port/", "ws:///x", "ws://user:pw@h/", "ws://[::1", "h:80"],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(BroadcastError, match="address"):
        Target("t", url).check()


@pytest.mark.parametrize("url", ["wss://pulsar.example/", "ws://localhost:1/", "ws://127.0.0.3:1/", "ws://[::1]:1/"])
def test_a_token_may_go_where_nobody_can_read_it(url: str) -> None:
    Target("t", url, token=SecretStr("canary")).check()


@pytest.mark.parametrize("url", ["ws://pulsar.example/", "ws://10.0.0.1:8765/", "ws://127.0.0.1.example/"])
def test_a_token_never_crosses_a_network_in_the_clear(url: str) -> None:
    with pytest.raises(BroadcastError, match="wss") as caught:
        Target("t", url, token=SecretStr("canary")).check()
    assert "canary" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    target = Target("t", "wss://h", token=SecretStr("canary"))
    assert "canary" not in repr(target) + repr(ShowIdentity(id="s", key="canary", title="t"))
