import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.addresses import is_loopback, is_public, written_address

UNSPECIFIED = "0.0.0.0"  # noqa: S104 - looked at only
ELSEWHERE = [
    UNSPECIFIED, "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1",
    "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
def test_what_is_not_the_public_internet_is_known_in_every_wrapping(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "::ffff:93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_is_judged_as_it_is_alone(address: ipaddress.IPv4Address) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address)) == is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2852039166", "169.254.169.254"),
        ("0xA9FEA9FE", "169.254.169.254"),
        ("0xa9.0xfe.0xa9.0xfe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("169.254.169.254.", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("0", UNSPECIFIED),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("stage.example", ""),
        ("a9fe.example", ""),
        ("", ""),
        ("\uff11\uff12\uff17.0.0.1", ""),
        ("1.2.3.4.5", ""),
    ],
)
def test_an_address_is_recognised_however_it_is_written(host: str, address: str) -> None:
    assert written_address(host) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(host: str) -> None:
    written = written_address(host)
    assert not written or str(ipaddress.ip_address(written)) == written


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "stage.localhost"])
def test_our_own_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "127.0.0.1.example", "10.0.0.1", UNSPECIFIED, "localhost."])
def test_nothing_else_is_our_own_machine(host: str) -> None:
    assert not is_loopback(host)
