"""docker-compose.yml starts programs and uses settings that exist, and opens nothing but gateway and dashboard."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.cli import COMMANDS
from gateway.machine.up import parts
from gateway.settings import SPECS, load
from metrics.proof.anchor import anchors_of
from metrics.record.otel_settings import otlp_settings
from policy.load import load_tree

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "sluice:local"}
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
EXAMPLE = (ROOT / "deploy" / "compose.env.example").read_text("utf-8")
BUILT_IN = dict(re.findall(r"^    (SLUICE_\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
WRITTEN_OUT = re.compile(r"\$\{(\w+)(?::[-?][^}]*)?\}")


def environment(name: str) -> dict[str, str | None]:
    found: dict[str, str | None] = SERVICES[name]["environment"]
    return found


def written(name: str) -> dict[str, str]:
    """Return the settings of a service as its program would see them, with `.env` as short as it may be."""
    filled = {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for key, value in environment(name).items() if value}
    return BUILT_IN | {key: value for key, value in filled.items() if key.startswith("SLUICE_")}


def test_every_part_of_the_machine_has_a_service() -> None:
    there = {"gateway", "recorder", "dashboard"} | ({"worker"} & set(COMMANDS))
    assert set(OURS) == there
    assert set(SERVICES) == there | {"postgres"}


@pytest.mark.parametrize("name", OURS)
def test_each_service_runs_a_command_of_sluice(name: str) -> None:
    assert OURS[name]["command"] == [name]
    assert name in COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_or_one_that_is_read(name: str) -> None:
    settings = {spec.name for spec in SPECS}
    providers = load_tree(ROOT / "policies").providers.values()
    read = {named for provider in providers for named in (provider.base_url_env, provider.api_key_env)}
    others = {key for key in {**environment(name), **BUILT_IN} if key not in settings | read}
    assert others <= {"PGPASSWORD", "GIT_SSH_COMMAND"} | {key for key in others if key.startswith(("OTEL_", "AWS_"))}


def test_what_can_be_set_on_a_laptop_can_be_set_here() -> None:
    built_in = {"SLUICE_DATA", "SLUICE_POLICIES", "SLUICE_AUTOMATIONS", "SLUICE_HOST"}
    fixed = {f"SLUICE_{part}_PORT" for part in ("RECORDER", "DASHBOARD", "WORKER")} | {"SLUICE_PORT"}
    beside = {"SLUICE_GRACE_S", "SLUICE_QUEUE_URL"}  # the stop's time is the engine's; the queue is in the database
    settable = {key for name in OURS for key in environment(name)}
    assert {spec.name for spec in SPECS} - built_in - fixed - beside <= settable


@pytest.mark.parametrize("name", OURS)
def test_the_settings_load(name: str, tmp_path: Path) -> None:
    settings = load(written(name), tmp_path)
    assert settings.host == "0.0.0.0"
    assert str(settings.data) == "/data"


def test_the_gateway_is_on_postgresql_and_tells_where_the_recorder_is(tmp_path: Path) -> None:
    settings = load(written("gateway"), tmp_path)
    assert settings.database_url == "postgresql://sluice@postgres/sluice"
    assert settings.recorder_url == "http://recorder:8081"
    dashboard = load(written("dashboard"), tmp_path)
    assert (dashboard.gateway_url, dashboard.recorder_url) == ("http://gateway:8080", "http://recorder:8081")


def test_health_is_asked_where_the_programs_answer(tmp_path: Path) -> None:
    known = {part.name: (part.port, part.ready_path) for part in parts(load({}, tmp_path), dashboard=True)}
    for name, (port, path) in known.items():
        if name in SERVICES:
            check = SERVICES[name]["healthcheck"]["test"][-1]
            assert f"'127.0.0.1', {port}," in check
            assert f"'GET', '{path}'" in check
            compile(check, name, "exec")


def test_nothing_is_published_but_gateway_and_dashboard_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8080:8080"], "dashboard": ["127.0.0.1:8501:8501"]}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert COMPOSE["networks"]["database"]["internal"] is True


def test_services_wait_for_healthy_ones_and_every_one_can_be_healthy() -> None:
    assert all("healthcheck" in service for service in SERVICES.values())
    waits = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert waits["dashboard"] == {"gateway": "service_healthy", "recorder": "service_healthy"}
    assert waits["gateway"]["postgres"] == "service_healthy"


def test_calls_go_on_without_the_recorder_and_it_stops_after_the_gateway() -> None:
    """What is started later is stopped earlier: the recorder reads the gateway's last records."""
    assert SERVICES["gateway"]["depends_on"]["recorder"]["condition"] == "service_started"
    assert "depends_on" not in SERVICES["recorder"]


def test_gateway_and_recorder_share_the_data_folder_and_the_master_key() -> None:
    for name in ("gateway", "recorder"):
        assert "data:/data" in SERVICES[name]["volumes"]
        assert "SLUICE_MASTER_KEY" in environment(name)


@pytest.mark.parametrize("name", OURS)
def test_programs_have_no_more_rights_than_they_need(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "user" not in service  # the image's own: not root


@pytest.mark.parametrize("name", OURS)
def test_a_stop_leaves_time_for_the_program_to_end(name: str, tmp_path: Path) -> None:
    wanted = {part.name: part.stop_s for part in parts(load({}, tmp_path), dashboard=True)}
    assert float(OURS[name]["stop_grace_period"].rstrip("s")) > wanted.get(name, 0)


def test_secrets_come_from_outside() -> None:
    for service in SERVICES.values():
        for key, value in service["environment"].items():
            if re.search("KEY|PASSWORD|HEADERS", key):
                assert value is None or value.startswith("${")
    asked = set(WRITTEN_OUT.findall((ROOT / "docker-compose.yml").read_text("utf-8")))
    assert not {name for name in asked if name not in EXAMPLE}


def test_the_recorder_gets_all_that_its_anchors_read(tmp_path: Path) -> None:
    given = environment("recorder")
    anchored = re.findall(r'get\("((?:AWS|OTEL)_\w+)"', (ROOT / "metrics/proof/anchor_remote.py").read_text("utf-8"))
    assert len(anchored) >= 7
    assert set(anchored) <= set(given)
    assert "GIT_SSH_COMMAND" in given
    keys = dict.fromkeys((key for key in given if key.startswith("AWS_")), "x")
    places = "s3:https://s3.example.com/bucket/anchors,otlp:https://collector.example.com:4318/v1/logs"
    assert len(anchors_of(places, tmp_path, keys)) == 2


def test_the_collectors_variable_is_the_one_the_recorder_reads() -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in environment("recorder")
    assert otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}).on
