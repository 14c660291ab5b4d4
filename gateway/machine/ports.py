"""Listening ports: the one asked for, the next free one, and whether an address is our own listener."""

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from gateway.setting_values import SettingsError
from gateway.settings import Settings

SEARCHED = 50
PARTS = {
    "gateway": "SLUICE_PORT",
    "recorder": "SLUICE_RECORDER_PORT",
    "dashboard": "SLUICE_DASHBOARD_PORT",
    "worker": "SLUICE_WORKER_PORT",
}
_BUSY = (errno.EADDRINUSE, errno.EACCES)


def listen(host: str, port: int, backlog: int = 1024) -> socket.socket:
    """Return a listening TCP socket; an OSError says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def open_listener(settings: Settings, part: str = "gateway") -> socket.socket:
    """Bind a part's listening socket, or say in a sentence which setting stands in the way.

    Raises:
        SettingsError: the port is taken, or the host is not an address of this machine.
    """
    port = port_of(settings, part)
    try:
        return listen(settings.host, port)
    except OSError as error:
        raise _unusable(PARTS[part], settings.host, port, error) from error


def settle(settings: Settings, parts: Collection[str]) -> tuple[Settings, list[str]]:
    """Give each part a free port, and say in sentences which default ports were busy.

    A busy port that somebody set is an error; a busy default port moves to the next free one.

    Raises:
        SettingsError: a set port is busy, no free port was found, or the host cannot be bound.
    """
    said: list[str] = []
    with contextlib.ExitStack() as held:  # found ports stay bound until all are found, so that no two parts get one
        for part in (part for part in PARTS if part in parts):
            wanted = port_of(settings, part)
            listener = held.enter_context(_free(settings, PARTS[part], wanted))
            port = listener.getsockname()[1]
            if wanted and port != wanted:
                said.append(f"Port {wanted} is busy: the {part} listens on {port}.")
            settings = replace(settings, **{PARTS[part].removeprefix("SLUICE_").lower(): port})
    return settings, said


def reachable_host(host: str) -> str:
    """Return the host part of an address a person on this machine can open for a listening host."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host


def port_of(settings: Settings, part: str) -> int:
    """Return the port of a part."""
    port: int = getattr(settings, PARTS[part].removeprefix("SLUICE_").lower())
    return port


def address(settings: Settings, part: str) -> str:
    """Return the address of a part: the one that was set, else the one a person on this machine can open."""
    urls = {"gateway": settings.gateway_url, "recorder": settings.recorder_url, "worker": settings.worker_url}
    given = urls.get(part)
    return given or f"http://{reachable_host(settings.host)}:{port_of(settings, part)}"


def is_own_listener(url: str, settings: Settings) -> bool:
    """Tell whether a base URL leads to this gateway's own port on this machine. Looks names up only if ports match."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if port != settings.port or not parts.hostname:
        return False
    if parts.hostname in {settings.host, "localhost"}:
        return True
    return any(_is_local(address) for address in _addresses(parts.hostname))


def _free(settings: Settings, name: str, wanted: int) -> socket.socket:
    last: OSError | None = None
    for port in _tried(settings, name, wanted):
        try:
            return listen(settings.host, port)
        except OSError as error:
            last = error
            if error.errno not in _BUSY:
                break
    assert last is not None
    raise _unusable(name, settings.host, wanted, last) from last


def _tried(settings: Settings, name: str, wanted: int) -> Iterator[int]:
    yield wanted
    if wanted and not settings.is_set(name):
        others = {port_of(settings, part) for part in PARTS}
        yield from (port for port in range(wanted + 1, min(wanted + SEARCHED, 65536)) if port not in others)


def _unusable(name: str, host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(name, f"is {port}, but another program listens there; stop it or choose another port.")
    if error.errno == errno.EACCES:
        return SettingsError(name, f"is {port}, which this user may not open; choose a port from 1024 up.")
    return SettingsError("SLUICE_HOST", f"is {host!r}, which cannot be listened on ({error.strerror or error}).")


def _addresses(hostname: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _is_local(address: str) -> bool:
    """An address is ours when it is loopback or "any", or when a socket can be bound to it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.is_loopback or ip.is_unspecified:
        return True
    try:
        with socket.socket(socket.AF_INET6 if ip.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
