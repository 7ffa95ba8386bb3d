"""Which addresses subscriptions may reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindings.address_guard import is_permitted, resolve
from ingestion.errors import NotPermitted

PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
]
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "168.63.129.16",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert is_permitted(address, allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_permitted_only_on_purpose(address: str) -> None:
    assert not is_permitted(address, allow_private=False)
    assert is_permitted(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_never_permitted(address: str) -> None:
    assert not is_permitted(address, allow_private=False)
    assert not is_permitted(address, allow_private=True)


@given(st.ip_addresses())
def test_allowing_private_addresses_takes_nothing_away(address: object) -> None:
    text = str(address)
    assert is_permitted(text, allow_private=True) >= is_permitted(text, allow_private=False)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "017700000001"])
def test_names_and_odd_spellings_of_loopback_are_refused(host: str) -> None:
    with pytest.raises(NotPermitted):
        resolve(host, 80, allow_private=False)
    assert resolve(host, 80, allow_private=True)
