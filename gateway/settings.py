"""Everything that can be set from outside, read once, frozen, each value with the place it came from."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway import setting_values as read
from gateway.setting_values import Place, SettingsError, without_userinfo

PREFIX: Final = "SLUICE_"
CONFIG: Final = "SLUICE_CONFIG"
CONFIG_FILE: Final = "sluice.toml"
DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
COMMAND_LINE: Final = "command line"


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: its name, how a text becomes its value, and what it is for."""

    name: str
    parse: Callable[[str, Place], Any]
    default: str | None
    purpose: str
    secret: bool = False

    @property
    def attribute(self) -> str:
        return self.name.removeprefix(PREFIX).lower()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one program. `sources` maps a setting's name to where its value came from."""

    data: Path
    policies: Path
    host: str
    port: int
    recorder_port: int
    dashboard_port: int
    time_zone: str
    worker_port: int
    workers: int
    grace_s: float
    upstream: str
    gateway_url: str | None
    recorder_url: str | None
    worker_url: str | None
    automations: Path
    worker_slots: int
    worker_lease_s: float
    worker_nice: int
    webhook_hosts: str
    database_url: str = field(repr=False)
    queue_url: str = field(repr=False)
    worker_keys: str | None = field(repr=False)
    bootstrap_key: str | None = field(repr=False)
    master_key: str | None = field(repr=False)
    dashboard_secret: str | None = field(repr=False)
    anchors: str | None
    sources: Mapping[str, str]
    notify: str | None = None
    review_at: str | None = None
    mail_from: str = "sluice@localhost"
    smtp_url: str | None = field(default=None, repr=False)

    def is_set(self, name: str) -> bool:
        """Tell whether somebody chose this value (the default did not)."""
        return self.sources[name] != DEFAULT


def load(environ: Mapping[str, str], folder: Path, flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: command line before environment before `sluice.toml` before default.

    Args:
        environ: the process environment; empty values count as not set.
        folder: the working directory; relative paths start here (those in a file start beside it).
        flags: values given on the command line, by setting name.

    Raises:
        SettingsError: a value, or a key of the file, cannot be used.
    """
    file = _config_file(environ, folder)
    here, beside = Place(folder), Place(file.parent if file else folder)
    layers = [
        (COMMAND_LINE, here, dict(flags or {})),
        (ENVIRONMENT, here, {spec.name: environ[spec.name] for spec in SPECS if environ.get(spec.name)}),
        (str(file), beside, _read_file(file) if file else {}),
    ]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for spec in SPECS:
        source, place, text = _first(spec, layers, here)
        values[spec.attribute] = None if text is None else spec.parse(text, place)
        sources[spec.name] = source
    if values["database_url"] is None:
        values["database_url"] = f"sqlite:///{values['data'] / 'control.db'}"
    if values["queue_url"] is None:
        beside = values["database_url"].startswith("sqlite")
        values["queue_url"] = f"sqlite:///{values['data'] / 'queue.db'}" if beside else values["database_url"]
    settings = Settings(**values, sources=sources)
    _refuse_shared_ports(settings)
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make another process load these same settings."""
    texts = {spec.name: getattr(settings, spec.attribute) for spec in SPECS}
    return {name: str(value) for name, value in texts.items() if value is not None}


def shown(settings: Settings, spec: Spec) -> str:
    """Return a setting's value as it may be displayed: secrets as set or unset, passwords in addresses masked."""
    value = getattr(settings, spec.attribute)
    if spec.secret:
        return "unset" if value is None else "set"
    return without_userinfo(str(value))


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that look like settings but are none: usually misspelt."""
    known = {spec.name for spec in SPECS} | {CONFIG}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def _first(spec: Spec, layers: list[tuple[str, Place, dict[str, str]]], here: Place) -> tuple[str, Place, str | None]:
    for source, place, values in layers:
        if spec.name in values:
            return source, place, values[spec.name]
    return DEFAULT, here, spec.default


def _config_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    named = environ.get(CONFIG)
    path = folder / (named or CONFIG_FILE)
    if path.is_file():
        return path
    if named:
        raise SettingsError(CONFIG, f"is {named!r}, but there is no such file; name a TOML file or unset it.")
    return None


def _read_file(file: Path) -> dict[str, str]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(str(file), f"cannot be read as TOML: {error}.") from error
    known = {spec.attribute: spec for spec in SPECS}
    return {_known(file, known, key).name: _as_text(file, key, value) for key, value in content.items()}


def _known(file: Path, known: Mapping[str, Spec], key: str) -> Spec:
    if key not in known:
        raise SettingsError(str(file), f"has the unknown key {key!r}; it may have: {', '.join(known)}.")
    return known[key]


def _as_text(file: Path, key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SettingsError(f"{PREFIX}{key.upper()}", f"in {file} must be a text or a number, not {value!r}.")
    return str(value)


def _refuse_shared_ports(settings: Settings) -> None:
    taken: dict[int, str] = {}
    for name in ("SLUICE_PORT", "SLUICE_RECORDER_PORT", "SLUICE_DASHBOARD_PORT", "SLUICE_WORKER_PORT"):
        port = getattr(settings, name.removeprefix(PREFIX).lower())
        if port and port in taken:
            raise SettingsError(name, f"is {port}, but so is {taken[port]}; give each its own port.")
        taken[port] = name


_HOST = r"[A-Za-z0-9_.\-]+|(?=.*:.*:)[0-9A-Fa-f:.]+"

_hosts = read.matching("SLUICE_WEBHOOK_HOSTS", r"[A-Za-z0-9_.,:\-]+", "it must be host names, separated by commas.")
_ANCHOR = r"((folder|git):|(s3|otlp):https?://)[^\s,]+"

SPECS: Final = (
    Spec("SLUICE_DATA", read.folder("SLUICE_DATA"), "./sluice-data", "Folder for everything the programs write."),
    Spec("SLUICE_POLICIES", read.folder("SLUICE_POLICIES"), "./policies", "Folder with the policy files."),
    Spec(
        "SLUICE_HOST",
        read.matching("SLUICE_HOST", _HOST, "it must be a host name or an IP address, without a port."),
        "127.0.0.1",
        "Address on which all programs listen.",
    ),
    Spec("SLUICE_PORT", read.port("SLUICE_PORT"), "8080", "Port of the gateway."),
    Spec("SLUICE_RECORDER_PORT", read.port("SLUICE_RECORDER_PORT"), "8081", "Port of the recorder."),
    Spec("SLUICE_DASHBOARD_PORT", read.port("SLUICE_DASHBOARD_PORT"), "8501", "Port of the dashboard."),
    Spec("SLUICE_WORKER_PORT", read.port("SLUICE_WORKER_PORT"), "8082", "Port of the automations' worker."),
    Spec("SLUICE_WORKERS", read.count("SLUICE_WORKERS", 64), "2", "Number of gateway worker processes."),
    Spec(
        "SLUICE_GRACE_S",
        read.seconds("SLUICE_GRACE_S"),
        "10",
        "Seconds that calls in flight get to finish when the gateway stops.",
    ),
    Spec("SLUICE_TIME_ZONE", read.time_zone, "UTC", "Time zone (IANA name) of days and weeks in reports."),
    Spec(
        "SLUICE_UPSTREAM",
        read.matching(
            "SLUICE_UPSTREAM",
            r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}",
            "it must be a provider's name in providers.yaml.",
        ),
        "openai",
        "Name of the default provider in providers.yaml.",
    ),
    Spec("SLUICE_GATEWAY_URL", read.url("SLUICE_GATEWAY_URL"), None, "Where commands and dashboard reach the gateway."),
    Spec(
        "SLUICE_RECORDER_URL",
        read.url("SLUICE_RECORDER_URL"),
        None,
        "Where commands and dashboard reach the recorder.",
    ),
    Spec("SLUICE_WORKER_URL", read.url("SLUICE_WORKER_URL"), None, "Where commands and dashboard reach the worker."),
    Spec("SLUICE_AUTOMATIONS", read.folder("SLUICE_AUTOMATIONS"), "./automations", "Folder with the automations."),
    Spec("SLUICE_WORKER_SLOTS", read.count("SLUICE_WORKER_SLOTS", 256), "8", "Runs that a worker is at, at once."),
    Spec("SLUICE_WORKER_NICE", read.count("SLUICE_WORKER_NICE", 19), "15", "Priority of a worker, 19 the lowest."),
    Spec(
        "SLUICE_WORKER_LEASE_S",
        read.seconds("SLUICE_WORKER_LEASE_S"),
        "15",
        "Seconds without a sign of life after which a worker's runs go to another.",
    ),
    Spec("SLUICE_NOTIFY", read.notify, None, "Who is told of alerts and gets the weekly review."),
    Spec("SLUICE_REVIEW_AT", read.review_at, None, "When each week's review is frozen and sent; unset: when asked."),
    Spec("SLUICE_MAIL_FROM", read.mail_from, "sluice@localhost", "Sender of mails."),
    Spec("SLUICE_SMTP_URL", read.smtp_url, None, "Mail server for alerts and reviews.", secret=True),
    Spec("SLUICE_WEBHOOK_HOSTS", _hosts, "none", "Hosts that webhooks may reach though they are private, or none."),
    Spec("SLUICE_DATABASE_URL", read.database_url, None, "Control database: SQLite in the data folder, or PostgreSQL."),
    Spec(
        "SLUICE_QUEUE_URL",
        partial(read.database_url, name="SLUICE_QUEUE_URL"),
        None,
        "Queue of the automations: SQLite in the data folder, or the control database's PostgreSQL.",
    ),
    Spec(
        "SLUICE_WORKER_KEYS",
        read.matching(
            "SLUICE_WORKER_KEYS",
            r"[^\s,=]+=[\x21-\x2b\x2d-\x7e]{16,256}(,[^\s,=]+=[\x21-\x2b\x2d-\x7e]{16,256})*",
            "it must be AUTOMATION=KEY, several separated by commas.",
            secret=True,
        ),
        None,
        "API keys of the worker's automations; without it the worker makes its own.",
        secret=True,
    ),
    Spec(
        "SLUICE_BOOTSTRAP_KEY",
        read.matching(
            "SLUICE_BOOTSTRAP_KEY",
            r"[\x21-\x7e]{16,256}",
            "it must have 16 to 256 printable characters without spaces.",
            secret=True,
        ),
        None,
        "An API key that exists from the first start, for the automation `default`.",
        secret=True,
    ),
    Spec(
        "SLUICE_MASTER_KEY",
        read.master_key,
        None,
        "Master key of the sealed content; without it a key file in the data folder is used.",
        secret=True,
    ),
    Spec(
        "SLUICE_DASHBOARD_SECRET",
        read.matching(
            "SLUICE_DASHBOARD_SECRET",
            r"[\x21-\x7e]{16,256}",
            "it must have 16 to 256 printable characters without spaces.",
            secret=True,
        ),
        None,
        "What the gateway knows its dashboard by; `sluice up` makes one.",
        secret=True,
    ),
    Spec(
        "SLUICE_ANCHORS",
        read.matching(
            "SLUICE_ANCHORS",
            rf"{_ANCHOR}(\s*,\s*{_ANCHOR})*",
            "it must be places such as folder:/mnt/anchors or git:git@example.com:anchors.git, separated by commas.",
        ),
        None,
        "Places outside the data folder that keep copies of the audit tree's checkpoints.",
    ),
)
