"""Before anything starts: who answers is said, ourselves as upstream is refused, broken policies are explained."""

from pathlib import Path

import pytest

from gateway.control.snapshots import Source, activate
from gateway.machine.prepare import control_database, prepare
from gateway.machine.upstreams import check_upstreams
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load
from policy.load import load_tree
from policy.providers import Provider

OPENAI = Provider(
    name="openai", base_url="https://api.example.com/v1", base_url_env="OPENAI_BASE_URL", api_key_env="OPENAI_API_KEY"
)
SIMULATED = Provider(name="simulated", base_url_env="SIMULATED_URL", simulated=True)
PROVIDERS = {"openai": OPENAI, "simulated": SIMULATED}
POLICY = "policy: default\nschema: 1\nowner: ops@example.com\n"
FILE = "schema: 1\nproviders:\n  openai: {base_url: 'https://api.example.com/v1'}\n"


def settings(folder: Path, **values: str) -> Settings:
    return load({f"SLUICE_{name.upper()}": value for name, value in values.items()}, folder)


def test_a_real_provider_is_named_by_its_host(tmp_path: Path) -> None:
    said = check_upstreams(settings(tmp_path), PROVIDERS, {"OPENAI_API_KEY": "k"})
    assert said == "Upstream: openai at api.example.com."


def test_the_environment_can_move_it_and_a_missing_key_is_noticed(tmp_path: Path) -> None:
    said = check_upstreams(settings(tmp_path), PROVIDERS, {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"})
    assert said == "Upstream: openai at 127.0.0.1:11434; OPENAI_API_KEY is not set, so it may refuse calls."


def test_an_address_is_said_without_credentials_and_path(tmp_path: Path) -> None:
    said = check_upstreams(settings(tmp_path), PROVIDERS, {"OPENAI_BASE_URL": "http://user:hunter2@h/v1?key=hunter2"})
    assert "hunter2" not in said


def test_the_simulated_provider_is_called_what_it_is(tmp_path: Path) -> None:
    said = check_upstreams(
        settings(tmp_path, upstream="simulated"), PROVIDERS, {"SIMULATED_URL": "http://127.0.0.1:7/v1"}
    )
    assert said == "Upstream: the simulated provider at 127.0.0.1:7: invented answers, no real model."


def test_an_unknown_upstream_names_the_setting_and_the_choice(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SLUICE_UPSTREAM is 'azure'; providers.yaml has: openai, simulated"):
        check_upstreams(settings(tmp_path, upstream="azure"), PROVIDERS, {})


def test_an_upstream_without_an_address_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SIMULATED_URL is not set"):
        check_upstreams(settings(tmp_path, upstream="simulated"), PROVIDERS, {})


@pytest.mark.parametrize("upstream", ["openai", "simulated"])
def test_our_own_listener_is_refused_for_every_provider(upstream: str, tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "http://localhost:8080/v1", "SIMULATED_URL": "http://127.0.0.1:7/v1"}
    with pytest.raises(
        SettingsError, match="OPENAI_BASE_URL is http://localhost:8080/v1, which is this gateway itself"
    ):
        check_upstreams(settings(tmp_path, upstream=upstream), PROVIDERS, environ)


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "http://ann:hunter2@localhost:8080/v1"}
    with pytest.raises(SettingsError, match=r"is http://\*\*\*@localhost:8080/v1, which is this gateway"):
        check_upstreams(settings(tmp_path), PROVIDERS, environ)


@pytest.mark.parametrize(
    "address",
    ["api.example.com/v1", "ftp://api.example.com", "https://", "http://u:hunter2@h:99999/v1", "http://[hunter2"],
)
def test_a_variable_that_holds_no_address_is_refused_without_repeating_it(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL is no address") as refused:
        check_upstreams(settings(tmp_path, upstream="simulated"), PROVIDERS, {"OPENAI_BASE_URL": address})
    assert "hunter2" not in str(refused.value)


def test_our_own_listener_in_the_file_names_the_file(tmp_path: Path) -> None:
    own = {"openai": Provider(name="openai", base_url="http://127.0.0.1:8080/v1")}
    with pytest.raises(SettingsError, match=r"base_url of 'openai' in providers.yaml is"):
        check_upstreams(settings(tmp_path), own, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "default.yaml").write_text(POLICY)
    (policies / "providers.yaml").write_text(FILE)
    return tmp_path


def test_preparing_makes_the_database_and_a_private_token(folder: Path) -> None:
    assert prepare(settings(folder), {}) == ["Upstream: openai at api.example.com."]
    token = folder / "sluice-data" / "cli.token"
    assert token.read_text().startswith("sess-")
    assert token.stat().st_mode & 0o077 == 0
    assert (folder / "sluice-data" / "control.db").exists()


def test_preparing_again_changes_nothing_but_the_token(folder: Path) -> None:
    prepare(settings(folder), {})
    assert prepare(settings(folder), {}) == ["Upstream: openai at api.example.com."]


def test_a_broken_first_policy_folder_names_the_setting_and_the_first_problem(folder: Path) -> None:
    (folder / "policies" / "default.yaml").write_text(POLICY + "redation: {}\n")
    with pytest.raises(
        SettingsError, match=r"SLUICE_POLICIES is .*[0-9] problems?, first default.yaml:4:1: redation"
    ) as caught:
        prepare(settings(folder), {})
    assert "\n" not in str(caught.value)


def test_a_missing_policy_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SLUICE_POLICIES"):
        prepare(settings(tmp_path), {})


def test_a_folder_broken_later_leaves_the_policies_in_force(folder: Path) -> None:
    from_before = settings(folder)
    with control_database(from_before) as database, database.write() as tx:
        activate(tx, load_tree(folder / "policies").to_bytes(), Source(None, False, "test"), 0)
    (folder / "policies" / "default.yaml").write_text("nonsense")
    upstream, warning = prepare(from_before, {})
    assert upstream == "Upstream: openai at api.example.com."
    assert warning.startswith("The policy folder has 1 problem, first default.yaml:1:1")
