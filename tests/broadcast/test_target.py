import pytest
from pydantic import SecretStr

from debate_caster.broadcast.target import ShowIdentity, Target
from debate_caster.errors import BroadcastError
from tests.llm.test_destinations import SPELLINGS


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/ws", "wss://pulsar.example", "ws://[::1]:8765/ws?x=y", "wss://h"])
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
@pytest.mark.parametrize("allow_private", [False, True])
def test_a_token_never_crosses_a_network_in_the_clear(url: str, *, allow_private: bool) -> None:
    with pytest.raises(BroadcastError, match="wss") as caught:
        Target("t", url, token=SecretStr("canary"), allow_private=allow_private).check()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_no_spelling_of_a_private_address_makes_a_target_unasked(scheme: str, host: str) -> None:
    with pytest.raises(BroadcastError, match="allow_private: true"):
        Target("t", f"{scheme}://{host}/latest/meta-data").check()
    Target("t", f"{scheme}://{host}/latest/meta-data", allow_private=True).check()


@pytest.mark.parametrize("url", ["ws://pulsar.example/ws", "ws://8.8.8.8/ws"])
def test_what_agents_prove_themselves_with_does_not_cross_the_internet_in_the_clear(url: str) -> None:
    with pytest.raises(BroadcastError, match=r"ws:// everybody on the way could read the agents' secrets. Write wss"):
        Target("t", url).check()


def test_an_address_on_the_internet_is_in_no_private_network_whatever_is_said_of_it() -> None:
    with pytest.raises(BroadcastError, match=r"agents' secrets. Write wss"):
        Target("t", "ws://8.8.8.8/ws", allow_private=True).check()
    Target("t", "ws://stage.lan/ws", allow_private=True).check()  # where that leads is seen when it is looked up
    Target("t", "ws://8.8.8.8/ws", is_ours=True).check()


def test_secrets_do_not_show() -> None:
    target = Target("t", "wss://h", token=SecretStr("canary"))
    assert "canary" not in repr(target) + repr(ShowIdentity(id="s", key="canary", title="t"))
