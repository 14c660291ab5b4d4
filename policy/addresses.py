"""Which network addresses may be connected to; told of the address itself, after its name was resolved."""

import ipaddress
from collections.abc import Iterator
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# Services of clouds that tell a machine its secrets, where they do not have a link-local address.
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))


def is_address(host: str) -> bool:
    """Tell whether a host is written as an address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_forbidden(host: str) -> bool:
    """Tell addresses that no model has: metadata services, other link-local ones, multicast, and "any".

    Loopback and private ones are a legitimate model of one's own.
    """
    return any(
        each.is_link_local or each.is_multicast or each.is_unspecified or each in _METADATA for each in _meant(host)
    )


def is_public(host: str) -> bool:
    """Tell addresses of the open internet from those of a machine, a private network or a carrier."""
    return all(each.is_global and not each.is_multicast and each not in _METADATA for each in _meant(host))


def _meant(host: str) -> Iterator[Address]:
    """Yield the address, and the IPv4 one that it wraps."""
    found = ipaddress.ip_address(host.partition("%")[0])
    yield found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            yield ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if found.sixtofour is not None:
            yield found.sixtofour
