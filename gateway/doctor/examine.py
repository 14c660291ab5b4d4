"""The checks: each looks at the case and names what it finds; none changes anything."""

import ipaddress
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.control.identity import tokens
from gateway.control.identity.bootstrap import OPERATOR_EMAIL
from gateway.doctor.case import Case
from gateway.doctor.findings import ORDER, Finding, finding
from gateway.machine.running import LAST_BACKUP
from policy.providers import Provider

_DAY_US: Final = 24 * 3600 * 1_000_000
_YEAR_US: Final = 365 * _DAY_US
_SKEW_S: Final = 2.0
_AHEAD_S: Final = 60.0
_SOON_BYTES: Final = 50_000_000
_PLAIN_BOOTSTRAP: Final = 32
_DIFFERENT: Final = 12
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound

Check = Callable[[Case], Iterator[Finding]]


def examine(case: Case) -> list[Finding]:
    """Run all checks; the gravest findings first."""
    found = [each for check in CHECKS for each in check(case)]
    return sorted(found, key=lambda each: (ORDER.index(each.severity), each.code))


def unsafe(found: list[Finding]) -> bool:
    """Tell whether anything is graver than a note."""
    return any(each.severity != "note" for each in found)


def network(case: Case) -> Iterator[Finding]:
    """Who can reach this, and how."""
    behind_tls = (case.settings.gateway_url or "").startswith("https://")
    if case.settings.host in _ANYWHERE and not behind_tls:
        yield finding("open-to-network", "Sluice")
    if case.settings.webhook_hosts != "none":
        yield finding("webhooks-inwards", case.settings.webhook_hosts)
    if case.uid == 0:
        yield finding("runs-as-root")


def keys(case: Case) -> Iterator[Finding]:
    """API keys that should not be there, or not any more."""
    if case.control is None:
        return
    known = case.control.keys
    key = case.settings.bootstrap_key
    if key is not None and (len(key) < _PLAIN_BOOTSTRAP or len(set(key)) < _DIFFERENT):
        yield finding("weak-bootstrap-key")
    elif key is not None and tokens.digest(key) in {row["key_hash"] for row in known}:
        yield finding("bootstrap-key")
    waiting = sum(row["unconfirmed_us"] is not None for row in known)
    if waiting:
        yield finding("keys-unconfirmed", waiting)
    old = sum(row["expires_us"] is None and row["created_us"] < case.now_us - _YEAR_US for row in known)
    if old:
        yield finding("keys-old", old)
    if case.control.admins <= {OPERATOR_EMAIL}:
        yield finding("nobody-by-name")


def record(case: Case) -> Iterator[Finding]:
    """Whether the record can be trusted: anchors, the tree, the clock."""
    if not case.settings.anchors:
        yield finding("no-anchor")
    said = case.recorder or {}
    audit = said.get("audit") or {}
    if audit.get("problem"):
        yield finding("audit-stopped", audit["problem"])
    for name, state in (audit.get("anchors") or {}).items():
        if state.get("problem"):
            yield finding("anchor-behind", name)
    ahead_s = ((said.get("ts_us") or 0) - case.now_us) / 1e6
    if ahead_s > _AHEAD_S:
        yield finding("clock-behind", round(ahead_s))
    if case.control is not None and case.control.clock_us is not None:
        skew_s = abs(case.control.clock_us - case.now_us) / 1e6
        if skew_s > _SKEW_S:
            yield finding("clock-differs", round(skew_s, 1))


def data(case: Case) -> Iterator[Finding]:
    """The data folder: room, who may read it, and what lies beside what."""
    percent = round(100 * case.free_share)
    if percent < 5:
        yield finding("disk-full", percent)
    elif percent < 15:
        yield finding("disk-low", percent)
    if case.open_files:
        first = str(case.open_files[0])
        yield finding("readable-files", len(case.open_files), "the folder itself" if first == "." else first)
    if not case.settings.master_key and (case.settings.data / "keys" / "master.key").exists():
        yield finding("master-key-beside")
    for aside in sorted(case.settings.data.glob("before-*")):
        yield finding("restored-aside", aside.name)


def backups(case: Case) -> Iterator[Finding]:
    """Whether there is a backup to go back to."""
    try:
        last = json.loads((case.settings.data / LAST_BACKUP).read_text("utf-8"))
        place, age_us = Path(last["backup"]), case.now_us - int(last["at_us"])
    except (OSError, ValueError, KeyError, TypeError):
        yield finding("no-backup")
        return
    if age_us > 2 * _DAY_US or not place.is_dir():
        yield finding("backup-old", max(0, age_us // _DAY_US))
    elif place.stat().st_dev == case.settings.data.stat().st_dev:
        yield finding("backup-same-disk")


def upstreams(case: Case) -> Iterator[Finding]:
    """Who answers, and over what."""
    providers = case.control.tree.providers if case.control and case.control.tree else {}
    default = providers.get(case.settings.upstream)
    if default is not None and default.simulated and case.control is not None:
        bound = sum(row["environment"] == "production" for row in case.control.keys)
        yield finding("simulated-in-production", bound) if bound else finding("simulated-upstream")
    for name, provider in sorted(providers.items()):
        if _goes_out_plain(provider, case):
            yield finding("provider-plain-http", name)


def parts(case: Case) -> Iterator[Finding]:
    """Whether what runs is in step."""
    if case.control is None:
        yield finding("database-away")
        return
    if not case.control.encrypted:
        yield finding("database-plain")
    if case.control.problems:
        yield finding("policy-problems", case.control.problems)
    if case.workers:
        yield from _running(case)


def _running(case: Case) -> Iterator[Finding]:
    control = case.control
    assert control is not None
    late = [each for each in case.workers if each.get("stale_since") or each.get("generation") != control.generation]
    if late:
        yield finding("workers-behind", len(late), len(case.workers))
    if not control.keeper:
        yield finding("keeper-missing")
    if control.waiting:
        yield finding("events-waiting", control.waiting)
    if case.recorder is None:
        yield finding("recorder-away")
    elif case.recorder.get("problem") or (case.recorder.get("behind_bytes") or 0) > _SOON_BYTES:
        behind = f"{(case.recorder.get('behind_bytes') or 0) / 1e6:.0f} MB"
        yield finding("recorder-behind", behind, case.recorder.get("problem") or "none said")


def _goes_out_plain(provider: Provider, case: Case) -> bool:
    """Tell whether a provider is reached over plain HTTP beyond this machine and its private networks' names."""
    address = urlsplit(provider.address(case.environ) or "")
    if address.scheme != "http" or not address.hostname:
        return False
    try:
        found = ipaddress.ip_address(address.hostname)
    except ValueError:
        return "." in address.hostname and not address.hostname.endswith((".localhost", ".local", ".internal"))
    return not (found.is_loopback or found.is_private)


CHECKS: Final[tuple[Check, ...]] = (network, keys, record, data, backups, upstreams, parts)
