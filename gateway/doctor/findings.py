"""Every finding there can be: how grave it is, what is wrong, and what to do. The reference page explains each."""

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["danger", "warning", "note"]
ORDER: Final[tuple[Severity, ...]] = ("danger", "warning", "note")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding; `{}` in the texts stands for what was seen."""

    severity: Severity
    wrong: str
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; `code` is its heading in docs/reference/doctor.md."""

    code: str
    severity: Severity
    wrong: str
    advice: str


KINDS: Final[dict[str, Kind]] = {
    "open-to-network": Kind(
        "danger",
        "{} listens on every network of this machine, in plain HTTP.",
        "Set SLUICE_HOST=127.0.0.1 and put a proxy with TLS in front; name its https address in SLUICE_GATEWAY_URL.",
    ),
    "bootstrap-key": Kind(
        "warning",
        "The key of SLUICE_BOOTSTRAP_KEY works; it stands in an environment or a file, its automation is `default`.",
        "Make a key of its own for each automation (`sluice keys create`), then revoke this one and unset the setting.",
    ),
    "weak-bootstrap-key": Kind(
        "danger",
        "SLUICE_BOOTSTRAP_KEY has fewer than 32 characters, or too few different ones: it can be guessed.",
        "Revoke it (`sluice keys list`, `sluice keys revoke`) and set one that `openssl rand -hex 24` makes.",
    ),
    "keys-unconfirmed": Kind(
        "warning",
        "{} API keys came back with a backup and wait.",
        "Revoke those that were revoked since the backup, then `sluice keys confirm --all`.",
    ),
    "keys-old": Kind(
        "note",
        "{} API keys are older than a year and never expire.",
        "Make new ones with `--expires`, change them over, revoke the old ones.",
    ),
    "nobody-by-name": Kind(
        "warning",
        "Nobody but operator@localhost is an admin: what admins do cannot be laid to a person.",
        "`sluice users create --role admin ADDRESS` for each of them.",
    ),
    "no-anchor": Kind(
        "warning",
        "No anchor is set: a cut-off end of the record, or all of it written anew, could not be noticed.",
        "Set SLUICE_ANCHORS to a place that whoever holds this machine cannot rewrite (folder:PATH or git:REMOTE).",
    ),
    "anchor-behind": Kind(
        "danger",
        "The anchor {} did not take the newest checkpoint.",
        "See the recorder's log; until it works nobody outside can vouch for the newest records.",
    ),
    "audit-stopped": Kind(
        "danger",
        "The audit tree signs nothing any more: {}.",
        "Run `sluice audit verify`; it names the first bad record. Keep the data folder as it is.",
    ),
    "disk-low": Kind(
        "warning",
        "{} % of the disk with the data folder are free.",
        "Free some or move the data folder; below 5 % content is not kept, and on a full disk calls are refused.",
    ),
    "disk-full": Kind(
        "danger",
        "{} % of the disk with the data folder are free: content is not kept any more.",
        "Free some at once; on a full disk calls are refused.",
    ),
    "clock-behind": Kind(
        "danger",
        "The newest record is {} s in the future of this machine's clock.",
        "Let the clock be kept by NTP; until it is right, times in the record are not.",
    ),
    "clock-differs": Kind(
        "danger",
        "This machine's clock and the database's differ by {} s.",
        "Let both be kept by NTP: leases, deadlines and sessions are judged by the clock.",
    ),
    "readable-files": Kind(
        "danger",
        "{} files of the data folder can be read or written by others, {} among them.",
        "chmod -R go-rwx on the data folder, and find out what opened it.",
    ),
    "master-key-beside": Kind(
        "warning",
        "The master key lies in the data folder: whoever copies the folder can read all sealed content.",
        "Keep it elsewhere and give it in SLUICE_MASTER_KEY; then delete keys/master.key.",
    ),
    "runs-as-root": Kind(
        "warning",
        "This runs as root.",
        "Run it as a user of its own who owns the data folder and nothing else.",
    ),
    "simulated-upstream": Kind(
        "warning",
        "Answers come from the simulated provider.",
        "Set SLUICE_UPSTREAM to a real one. Every answer, record and page says simulated until then.",
    ),
    "simulated-in-production": Kind(
        "danger",
        "Answers come from the simulated provider, and {} keys are bound to the environment production.",
        "Set SLUICE_UPSTREAM to a real provider.",
    ),
    "provider-plain-http": Kind(
        "danger",
        "The provider {} is reached over plain HTTP across a network, key and texts with it.",
        "Give its https address in providers.yaml.",
    ),
    "webhooks-inwards": Kind(
        "note",
        "Webhooks may reach these private hosts: {}.",
        "Leave only those in SLUICE_WEBHOOK_HOSTS that are meant.",
    ),
    "no-backup": Kind(
        "warning",
        "No backup was ever made here.",
        "`sluice backup FOLDER` on another disk, every day.",
    ),
    "backup-old": Kind(
        "warning",
        "The newest backup is {} days old, or is not where it was.",
        "`sluice backup FOLDER`, every day; look why it stopped.",
    ),
    "restored-aside": Kind(
        "warning",
        "What a restore replaced still lies in {}, with its keys: erasures and retention do not reach it.",
        "Delete it once the restored data is right; after a week retention does.",
    ),
    "backup-same-disk": Kind(
        "note",
        "The newest backup lies on the same disk as the data.",
        "Back up to another disk or machine.",
    ),
    "database-plain": Kind(
        "warning",
        "The control database is reached over a network without TLS.",
        "Add ?sslmode=verify-full to SLUICE_DATABASE_URL.",
    ),
    "database-away": Kind(
        "danger",
        "The control database cannot be reached or read.",
        "Start it; workers go on with the keys and policies they know, and nobody can sign in.",
    ),
    "workers-behind": Kind(
        "danger",
        "{} of {} workers do not follow the control database, or run another policy than it says.",
        "See the gateway's log; a revoked key may still work there. Restart the gateway if it does not catch up.",
    ),
    "keeper-missing": Kind(
        "danger",
        "No keeper works: policies are not activated, deadlines not kept, events not recorded.",
        "See the gateway's log; the gateway's parent starts a keeper again by itself.",
    ),
    "events-waiting": Kind(
        "warning",
        "{} events of the control plane wait to be recorded, the oldest for more than a minute.",
        "See the keeper's lines in the gateway's log.",
    ),
    "recorder-away": Kind(
        "danger",
        "The gateway runs and the recorder does not: calls are recorded, but nothing can be read or signed.",
        "Start it, or see its log.",
    ),
    "recorder-behind": Kind(
        "warning",
        "The recorder is {} behind the journal, or in trouble: {}.",
        "See its log; dashboard and audit tree are late until it catches up.",
    ),
    "policy-problems": Kind(
        "warning",
        "The policy folder has {} mistakes; the policies before them stay in force.",
        "`sluice policy check`.",
    ),
}


def finding(code: str, *seen: object) -> Finding:
    """Say what was found."""
    kind = KINDS[code]
    return Finding(code, kind.severity, kind.wrong.format(*seen), kind.advice)
