"""Settings: who wins, what is refused and in which words, and that secrets stay unseen."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from gateway.setting_values import SettingsError
from gateway.settings import SPECS, as_environment, load, shown, unknown_names
from metrics.record.keytext import key_bytes

GOOD = {
    "SLUICE_DATA": "elsewhere",
    "SLUICE_POLICIES": "rules",
    "SLUICE_HOST": "::1",
    "SLUICE_PORT": "9000",
    "SLUICE_RECORDER_PORT": "9001",
    "SLUICE_DASHBOARD_PORT": "9002",
    "SLUICE_WORKERS": "4",
    "SLUICE_GRACE_S": "2.5",
    "SLUICE_UPSTREAM": "simulated",
    "SLUICE_GATEWAY_URL": "https://gateway.example.com",
    "SLUICE_RECORDER_URL": "http://127.0.0.1:9001",
    "SLUICE_WORKER_PORT": "9082",
    "SLUICE_WORKER_URL": "http://worker:8082",
    "SLUICE_AUTOMATIONS": "my-automations",
    "SLUICE_WORKER_SLOTS": "16",
    "SLUICE_WORKER_LEASE_S": "5.5",
    "SLUICE_WORKER_NICE": "19",
    "SLUICE_WORKER_KEYS": "triage=sk-sluice-0123456789,drafts=sk-sluice-abcdefghij",
    "SLUICE_QUEUE_URL": "postgresql://sluice:pass@db.example.com/queue",
    "SLUICE_WEBHOOK_HOSTS": "hooks.internal,localhost",
    "SLUICE_DATABASE_URL": "postgresql://sluice:pass@db.example.com/sluice",
    "SLUICE_BOOTSTRAP_KEY": "sk-sluice-0123456789",
    "SLUICE_MASTER_KEY": "A" * 43 + "=",
    "SLUICE_DASHBOARD_SECRET": "browser-0123456789",
    "SLUICE_ANCHORS": "folder:/mnt/anchors, git:git@example.com:anchors.git",
    "SLUICE_TIME_ZONE": "Europe/Berlin",
    "SLUICE_NOTIFY": "mailto:ops@example.com",
    "SLUICE_REVIEW_AT": "mon 07:00",
    "SLUICE_MAIL_FROM": "sluice@example.com",
    "SLUICE_SMTP_URL": "smtp://mail.example.com:587",
}
WRONG = [
    ("SLUICE_PORT", "http"),
    ("SLUICE_PORT", "65536"),
    ("SLUICE_PORT", "-1"),
    ("SLUICE_PORT", "٣"),
    ("SLUICE_RECORDER_PORT", "80.5"),
    ("SLUICE_DASHBOARD_PORT", " "),
    ("SLUICE_WORKERS", "0"),
    ("SLUICE_WORKERS", "many"),
    ("SLUICE_WORKERS", "65"),
    ("SLUICE_GRACE_S", "0"),
    ("SLUICE_GRACE_S", "nan"),
    ("SLUICE_GRACE_S", "-3"),
    ("SLUICE_HOST", "127.0.0.1:8080"),
    ("SLUICE_HOST", "http://localhost"),
    ("SLUICE_UPSTREAM", "open ai"),
    ("SLUICE_UPSTREAM", "../x"),
    ("SLUICE_GATEWAY_URL", "gateway:8080"),
    ("SLUICE_RECORDER_URL", "http://127.0.0.1:8081/v1"),
    ("SLUICE_DATABASE_URL", "mysql://x/y"),
    ("SLUICE_DATABASE_URL", "sqlite://"),
    ("SLUICE_DATABASE_URL", "postgresql://h:port/db"),
    ("SLUICE_QUEUE_URL", "mysql://x/y"),
    ("SLUICE_WORKER_KEYS", "sk-sluice-0123456789"),
    ("SLUICE_WORKER_KEYS", "triage=short"),
    ("SLUICE_WORKER_SLOTS", "0"),
    ("SLUICE_WORKER_LEASE_S", "0"),
    ("SLUICE_WORKER_NICE", "20"),
    ("SLUICE_BOOTSTRAP_KEY", "short"),
    ("SLUICE_BOOTSTRAP_KEY", "has a space in the middle"),
    ("SLUICE_MASTER_KEY", "too-short"),
    ("SLUICE_DASHBOARD_SECRET", "short"),
    ("SLUICE_ANCHORS", "/mnt/anchors"),
    ("SLUICE_ANCHORS", "s3:bucket"),
]


@pytest.mark.parametrize("text", ["A" * 42 + "8=", "A" * 42 + "8", "-_" * 21 + "8=", "+/" * 21 + "8"])
def test_a_master_key_may_be_written_in_each_usual_way(tmp_path: Path, text: str) -> None:
    assert load({"SLUICE_MASTER_KEY": text}, tmp_path).master_key == text
    assert len(key_bytes(text)) == 32


def test_everything_has_a_default(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert set(settings.sources) == {spec.name for spec in SPECS}
    assert set(settings.sources.values()) == {"default"}
    assert settings.data == tmp_path / "sluice-data"
    assert settings.database_url == f"sqlite:///{tmp_path}/sluice-data/control.db"


@pytest.mark.parametrize("name", GOOD)
def test_each_setting_is_read_from_the_environment(name: str, tmp_path: Path) -> None:
    settings = load({name: GOOD[name]}, tmp_path)
    assert settings.is_set(name)
    assert settings.sources[name] == "environment"
    value = getattr(settings, name.removeprefix("SLUICE_").lower())
    assert str(value) in {GOOD[name], str(tmp_path / GOOD[name])}


def test_every_setting_was_tried() -> None:
    assert set(GOOD) == {spec.name for spec in SPECS}


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_one_sentence_that_names_the_setting(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value}, tmp_path)
    sentence = str(caught.value)
    assert caught.value.name == name
    assert sentence.startswith(name)
    assert "\n" not in sentence


@pytest.mark.parametrize("name", [spec.name for spec in SPECS if spec.secret] + ["SLUICE_DATABASE_URL"])
def test_a_wrong_secret_is_not_repeated(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: "hunter2 hunter2"}, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "sluice.toml").write_text('port = 1111\nworkers = 7\nhost = "localhost"\n')
    settings = load({"SLUICE_PORT": "2222", "SLUICE_WORKERS": "3"}, tmp_path, {"SLUICE_PORT": "3333"})
    assert (settings.port, settings.workers, settings.host, settings.recorder_port) == (3333, 3, "localhost", 8081)
    assert settings.sources["SLUICE_PORT"] == "command line"
    assert settings.sources["SLUICE_WORKERS"] == "environment"
    assert settings.sources["SLUICE_HOST"] == str(tmp_path / "sluice.toml")
    assert not settings.is_set("SLUICE_RECORDER_PORT")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load({"SLUICE_PORT": ""}, tmp_path).port == 8080


def test_another_file_can_be_named_and_its_paths_start_beside_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mine.toml").write_text('data = "data"\n')
    settings = load({"SLUICE_CONFIG": "etc/mine.toml"}, tmp_path)
    assert settings.data == tmp_path / "etc" / "data"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("prot = 1", "prot"),
        ("port = true", "SLUICE_PORT"),
        ("port = [1]", "SLUICE_PORT"),
        ("port = ", "TOML"),
        ("port = 'x'", "SLUICE_PORT"),
    ],
)
def test_a_wrong_file_is_one_sentence(content: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "sluice.toml").write_text(content)
    with pytest.raises(SettingsError, match=word):
        load({}, tmp_path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SLUICE_CONFIG"):
        load({"SLUICE_CONFIG": "nowhere.toml"}, tmp_path)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sluice-data").write_text("")
    with pytest.raises(SettingsError, match="SLUICE_DATA"):
        load({}, tmp_path)


def test_two_parts_cannot_share_a_port(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SLUICE_RECORDER_PORT is 8080.*SLUICE_PORT"):
        load({"SLUICE_RECORDER_PORT": "8080"}, tmp_path)
    assert load({"SLUICE_RECORDER_PORT": "0", "SLUICE_PORT": "0"}, tmp_path).port == 0


def test_a_child_loads_the_same_settings(tmp_path: Path) -> None:
    parent = load(GOOD, tmp_path)
    child = load(as_environment(parent), tmp_path / "somewhere else")
    assert as_environment(child) == as_environment(parent)


def test_settings_do_not_change_and_do_not_show_secrets(tmp_path: Path) -> None:
    settings = load(GOOD, tmp_path)
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    texts = [repr(settings), *(shown(settings, spec) for spec in SPECS)]
    secrets = [GOOD["SLUICE_MASTER_KEY"], GOOD["SLUICE_BOOTSTRAP_KEY"], GOOD["SLUICE_DASHBOARD_SECRET"], "pass@"]
    assert not [text for text in texts for secret in secrets if secret in text]


def test_a_misspelt_variable_is_noticed() -> None:
    assert unknown_names({"SLUICE_PROT": "1", "SLUICE_PORT": "1", "SLUICE_CONFIG": "x", "OTHER": "y"}) == [
        "SLUICE_PROT"
    ]
