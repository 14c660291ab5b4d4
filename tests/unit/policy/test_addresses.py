"""Addresses that nothing connects to, in every spelling."""

import asyncio

import pytest

from gateway.errors import UpstreamError
from gateway.providers.connection import Patience
from gateway.providers.http import Connections, Origin
from policy.addresses import is_forbidden, is_public

FORBIDDEN = (
    "169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "0.0.0.0", "::", "::ffff:0.0.0.0",
    "224.0.0.1", "ff02::1",
)  # fmt: skip
PRIVATE = (
    "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "198.18.0.1", "192.0.2.1", "203.0.113.9",
    "240.0.0.1", "255.255.255.255", "2001:db8::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
# What a resolver makes of odd spellings: decimal, octal, hexadecimal and short forms of 169.254.169.254, and "any".
SPELLINGS = ("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.254.0251.254", "0", "0x0")


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_model_has_these(address: str) -> None:
    assert is_forbidden(address)
    assert not is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_models_may_have_these_and_webhooks_not(address: str) -> None:
    assert not is_forbidden(address)
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_everybody_may_have_these(address: str) -> None:
    assert not is_forbidden(address)
    assert is_public(address)


@pytest.mark.parametrize("host", [*FORBIDDEN, *SPELLINGS])
def test_a_connection_is_not_even_begun(host: str) -> None:
    async def ask() -> None:
        connections = Connections()
        await connections.ask(Origin(host, 1, False, host), b"", Patience(2.0, 2.0, 2.0, 2.0))

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(ask())
    assert isinstance(caught.value.__cause__, OSError)
    assert not caught.value.__cause__.args  # refused here, not by the network
