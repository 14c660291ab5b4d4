"""The bill of materials: everything in the lock, and nothing about this machine or a registry."""

import json
import re
from pathlib import Path
from typing import Any

from tools.sbom import plain

LOCK = Path(__file__).parents[2] / "requirements.lock"


def test_a_bill_keeps_names_versions_and_hashes_and_no_address() -> None:
    place = {
        "type": "distribution",
        "url": "https://registry.example/simple/a/",
        "hashes": [{"alg": "SHA-256", "content": "0a"}],
    }
    part: dict[str, Any] = {"type": "library", "name": "a", "version": "1", "purl": "pkg:pypi/a@1", "bom-ref": "line-4"}
    part |= {"description": "requirements line 4 of /home/x/requirements.lock", "externalReferences": [place]}
    tool = {"name": "t", "externalReferences": [{"type": "website", "url": "https://example.com"}]}
    bom = {"components": [part], "metadata": {"component": {"name": "sluice"}, "tools": {"components": [tool]}}}
    made = plain(bom)
    assert "example" not in json.dumps(made)
    assert "/home" not in json.dumps(made)
    assert made["components"][0]["properties"] == [{"name": "sluice:artifact:sha-256", "value": "0a"}]
    assert made["dependencies"][0] == {"ref": "sluice", "dependsOn": ["pkg:pypi/a@1"]}


def test_every_requirement_of_the_locks_is_pinned_and_hashed() -> None:
    for lock in (LOCK, LOCK.with_name("requirements-dev.lock")):
        entries = re.split(r"\n(?=\S)", lock.read_text().strip())
        assert len(entries) > 50
        assert not [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
        assert "://" not in lock.read_text()
