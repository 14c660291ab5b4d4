"""Each finding: seen where it is so, not where it is not, and explained in the reference."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control.identity import tokens
from gateway.doctor.case import Case, Control
from gateway.doctor.examine import examine, unsafe
from gateway.doctor.findings import KINDS
from gateway.settings import load
from policy.load import load_tree
from tests.running_gateway import write_policies

ROOT = Path(__file__).parents[3]
NOW_US = 1_800_000_000_000_000
DAY_US = 24 * 3600 * 1_000_000
LONG_KEY = "sk-sluice-0123456789abcdefghijklmnopqrstuvwxyz"
Change = Callable[[Case], Case]


def key(**more: Any) -> dict[str, Any]:
    known = {"key_hash": b"x", "unconfirmed_us": None, "expires_us": None, "created_us": NOW_US, "environment": None}
    return known | more


@pytest.fixture
def well(tmp_path: Path) -> Case:
    """An installation about which there is nothing to say."""
    tree = write_policies(tmp_path / "policies", "https://api.example.com/v1")
    settings = load(
        {"SLUICE_ANCHORS": "folder:/mnt/a", "SLUICE_MASTER_KEY": "a" * 43 + "=", "SLUICE_DATA": str(tmp_path / "data")},
        tmp_path,
    )
    settings.data.mkdir()
    control = Control(
        keys=[key()], admins=frozenset({"ann@example.com"}), tree=load_tree(tree), generation=3, clock_us=NOW_US
    )
    worker = {"worker": "w1", "generation": 3, "stale_since": None}
    (tmp_path / "backup").mkdir()
    backed_up(settings.data, tmp_path / "backup", NOW_US)
    return Case(settings, NOW_US, control, [worker], {"audit": {"anchors": {}}, "ts_us": NOW_US})


def backed_up(data: Path, place: Path, at_us: int) -> None:
    (data / "last-backup.json").write_text(json.dumps({"backup": str(place), "at_us": at_us}))


def restored(well: Case) -> Case:
    (well.settings.data / "before-sluice-2026-11-22").mkdir()
    return well


def setting(**values: Any) -> Change:
    return lambda case: replace(case, settings=replace(case.settings, **values))


def control(**values: Any) -> Change:
    def change(case: Case) -> Case:
        assert case.control is not None
        return replace(case, control=replace(case.control, **values))

    return change


def recorder(**values: Any) -> Change:
    return lambda case: replace(case, recorder={**(case.recorder or {}), **values})


def case(**values: Any) -> Change:
    return lambda well: replace(well, **values)


def simulated(environment: str | None) -> Change:
    def change(case: Case) -> Case:
        tree = load_tree(ROOT / "policies")
        return control(tree=tree, keys=[key(environment=environment)])(setting(upstream="simulated")(case))

    return change


def plain_http(case: Case) -> Case:
    folder = write_policies(case.settings.data.parent / "plain", "https://api.example.com/v1")
    urls = {"a": "http://models.example.com/v1", "b": "http://10.0.0.5/v1", "c": "http://vllm:8000"}
    entries = {name: {"base_url": url} for name, url in urls.items()}
    (folder / "providers.yaml").write_text(json.dumps({"schema": 1, "providers": entries}))
    (folder / "prices.yaml").unlink()
    return control(tree=load_tree(folder))(case)


def old_backup(case: Case) -> Case:
    backed_up(case.settings.data, case.settings.data, NOW_US - 3 * DAY_US)
    return case


def gone_backup(case: Case) -> Case:
    (case.settings.data / "last-backup.json").unlink()
    return case


def key_file(case: Case) -> Case:
    (case.settings.data / "keys").mkdir()
    (case.settings.data / "keys" / "master.key").write_text("x")
    return setting(master_key=None)(case)


FOUND: dict[str, Change] = {
    "open-to-network": setting(host="0.0.0.0"),
    "webhooks-inwards": setting(webhook_hosts="crm.internal"),
    "runs-as-root": case(uid=0),
    "bootstrap-key": lambda well: control(keys=[key(key_hash=tokens.digest(LONG_KEY))])(
        setting(bootstrap_key=LONG_KEY)(well)
    ),
    "weak-bootstrap-key": setting(bootstrap_key="sk-sluice-test-key"),
    "keys-unconfirmed": control(keys=[key(unconfirmed_us=1)]),
    "keys-old": control(keys=[key(created_us=NOW_US - 366 * DAY_US)]),
    "nobody-by-name": control(admins=frozenset({"operator@localhost"})),
    "no-anchor": setting(anchors=None),
    "anchor-behind": recorder(audit={"anchors": {"folder:/mnt/a": {"problem": "full"}}}),
    "audit-stopped": recorder(audit={"problem": "the leaves are not those"}),
    "disk-low": case(free_share=0.1),
    "disk-full": case(free_share=0.04),
    "clock-behind": recorder(ts_us=NOW_US + 120_000_000),
    "clock-differs": control(clock_us=NOW_US + 5_000_000),
    "readable-files": case(open_files=("control.db",)),
    "master-key-beside": key_file,
    "simulated-upstream": simulated(None),
    "simulated-in-production": simulated("production"),
    "provider-plain-http": plain_http,
    "no-backup": gone_backup,
    "backup-old": old_backup,
    "restored-aside": restored,
    "backup-same-disk": lambda well: well,
    "database-plain": control(encrypted=False),
    "database-away": case(control=None),
    "workers-behind": case(workers=[{"generation": 2}, {"generation": 3, "stale_since": "2026-01-01"}]),
    "keeper-missing": control(keeper=False),
    "events-waiting": control(waiting=7),
    "recorder-away": case(recorder=None),
    "recorder-behind": recorder(problem="the ledger is locked"),
    "policy-problems": control(problems=2),
}


@pytest.mark.parametrize("code", KINDS)
def test_what_is_so_is_found_and_nothing_else(well: Case, code: str) -> None:
    beside = {"backup-same-disk"} - ({"backup-same-disk"} if code in {"no-backup", "backup-old"} else set())
    found = examine(FOUND[code](well))
    assert {each.code for each in found} == {code, *beside}
    assert unsafe(found) == (KINDS[code].severity != "note")
    assert all("{" not in each.wrong for each in found)


def test_only_providers_across_a_network_are_named(well: Case) -> None:
    assert [each.wrong for each in examine(plain_http(well)) if each.code == "provider-plain-http"] == [
        "The provider a is reached over plain HTTP across a network, key and texts with it."
    ]


def test_nothing_running_is_nothing_behind(well: Case) -> None:
    assert not unsafe(examine(replace(well, workers=[], recorder=None)))


def test_every_finding_is_explained() -> None:
    page = (ROOT / "docs/reference/doctor.md").read_text()
    assert not [code for code in KINDS if f"### {code}\n" not in page]
