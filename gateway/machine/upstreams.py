"""Which model provider answers, said plainly before anything starts, and never this gateway itself."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.control import snapshots
from gateway.control.database import Database
from gateway.machine.ports import is_own_listener
from gateway.policy_tools.check import load_checked
from gateway.setting_values import SettingsError
from gateway.settings import Settings
from policy.problems import PolicyErrors
from policy.providers import Provider
from policy.snapshot import Snapshot


class Usable(NamedTuple):
    """The policy tree to start with, and a sentence when it is not the one in the folder."""

    snapshot: Snapshot
    warning: str | None


def usable_policies(settings: Settings, database: Database) -> Usable:
    """Load the policy folder; a broken one leaves the snapshot that is in force.

    Raises:
        SettingsError: the folder is broken and nothing is in force yet.
    """
    try:
        return Usable(load_checked(settings.policies), None)
    except PolicyErrors as error:
        said = f"{len(error.problems)} problem{'s' * (len(error.problems) > 1)}, first {error.problems[0]}"
        snapshot = _in_force(database)
        if snapshot is None:
            sentence = f"is {settings.policies}, which has {said}. All of them: sluice policy check {settings.policies}"
            raise SettingsError("SLUICE_POLICIES", sentence) from error
        return Usable(snapshot, f"The policy folder has {said}; the last good policies stay in force.")


def check_upstreams(settings: Settings, providers: Mapping[str, Provider], environ: Mapping[str, str]) -> str:
    """Return a sentence that says who answers by default.

    Raises:
        SettingsError: the default provider is unknown or has no address, or a provider's address is none or our own
            listener.
    """
    default = providers.get(settings.upstream)
    if default is None:
        known = ", ".join(sorted(providers)) or "none"
        raise SettingsError("SLUICE_UPSTREAM", f"is {settings.upstream!r}; providers.yaml has: {known}.")
    for provider in providers.values():
        _refuse_no_address(provider, environ)
        _refuse_own_listener(settings, provider, environ)
    return _said(default, _address(default, environ), environ)


def _in_force(database: Database) -> Snapshot | None:
    with database.read() as conn:
        active = snapshots.active(conn)
        content = snapshots.content(conn, active.sha256) if active else None
    return Snapshot.from_bytes(content) if content else None


def _address(provider: Provider, environ: Mapping[str, str]) -> str:
    address = provider.address(environ)
    if address is None:
        sentence = f"is not set; give it the address of the provider {provider.name!r}, or set another SLUICE_UPSTREAM."
        raise SettingsError(provider.base_url_env or "base_url", sentence)
    return address


def _refuse_no_address(provider: Provider, environ: Mapping[str, str]) -> None:
    """The file is checked when it is read; a variable is checked here, and not repeated: it may hold a password."""
    address = provider.address(environ)
    if address and not _leads_somewhere(address):
        sentence = "is no address of a model provider; it must look like https://api.example.com/v1."
        raise SettingsError(provider.base_url_env or f"base_url of {provider.name!r} in providers.yaml", sentence)


def _leads_somewhere(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refuse_own_listener(settings: Settings, provider: Provider, environ: Mapping[str, str]) -> None:
    address = provider.address(environ)
    if address and is_own_listener(address, settings):
        from_environment = provider.base_url_env and environ.get(provider.base_url_env)
        name = provider.base_url_env if from_environment else f"base_url of {provider.name!r} in providers.yaml"
        sentence = f"is {address}, which is this gateway itself; give the address of the model provider."
        raise SettingsError(str(name), sentence)


def _said(provider: Provider, address: str, environ: Mapping[str, str]) -> str:
    host = _host(address)
    if provider.simulated:
        return f"Upstream: the simulated provider at {host}: invented answers, no real model."
    if provider.api_key_env and not provider.api_key(environ):
        return f"Upstream: {provider.name} at {host}; {provider.api_key_env} is not set, so it may refuse calls."
    return f"Upstream: {provider.name} at {host}."


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
