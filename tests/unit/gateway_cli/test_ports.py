"""Ports: the next free one for a default, a sentence for one that was set, and our own address recognised."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.machine.ports import is_own_listener, listen, open_listener, reachable_host, settle
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load

EVERY = ("gateway", "recorder", "dashboard")


def settings(folder: Path, **values: str) -> Settings:
    return load({f"SLUICE_{name.upper()}": value for name, value in values.items()}, folder)


def with_default_port(folder: Path, port: int) -> Settings:
    """Settings as if the default port of the gateway were this one."""
    return replace(settings(folder, recorder_port="0", dashboard_port="0"), port=port)


def test_a_busy_default_port_moves_to_the_next_free_one_and_says_so(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as busy:
        port = busy.getsockname()[1]
        found, said = settle(with_default_port(tmp_path, port), EVERY)
    assert found.port > port
    assert said == [f"Port {port} is busy: the gateway listens on {found.port}."]
    assert len({found.port, found.recorder_port, found.dashboard_port}) == 3


def test_a_busy_port_that_was_set_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as busy:
        chosen = settings(tmp_path, port=str(busy.getsockname()[1]))
        with pytest.raises(SettingsError, match=r"SLUICE_PORT is \d+, but another program"):
            settle(chosen, EVERY)
        with pytest.raises(SettingsError, match="SLUICE_PORT"):
            open_listener(chosen)


def test_free_ports_stay_and_nothing_is_said(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    found, said = settle(settings(tmp_path, port=str(port), recorder_port="0", dashboard_port="0"), EVERY)
    assert (found.port, said) == (port, [])


def test_parts_that_do_not_run_need_no_port(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as busy:
        chosen = settings(tmp_path, port="0", recorder_port="0", dashboard_port=str(busy.getsockname()[1]))
        found, _ = settle(chosen, ("gateway", "recorder"))
    assert found.port > 0
    assert found.dashboard_port == chosen.dashboard_port


def test_a_host_of_another_machine_is_an_error_that_names_the_host(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SLUICE_HOST"):
        settle(settings(tmp_path, host="192.0.2.1", port="0"), ("gateway",))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v1",
        "http://localhost:8080",
        "http://0.0.0.0:8080/v1",
        "http://[::1]:8080/v1",
        "http://127.1.2.3:8080/v1",
    ],
)
def test_our_own_address_is_recognised(url: str, tmp_path: Path) -> None:
    assert is_own_listener(url, settings(tmp_path))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9999/v1", "https://api.example.com/v1", "http://192.0.2.1:8080/v1", "nonsense", ""]
)
def test_other_addresses_are_not_ours(url: str, tmp_path: Path) -> None:
    assert not is_own_listener(url, settings(tmp_path))


def test_this_machines_name_on_the_default_http_port_is_ours(tmp_path: Path) -> None:
    assert is_own_listener(f"http://{socket.gethostbyname('localhost')}/v1", settings(tmp_path, port="80"))


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("127.0.0.1", "127.0.0.1")]
)
def test_addresses_are_shown_so_that_they_can_be_opened(host: str, shown: str) -> None:
    assert reachable_host(host) == shown
