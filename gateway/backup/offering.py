"""Brings back from a backup what is only wanted where there is none: policy files, and the queue of automations."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.backup.making import copy_file
from metrics.record.fileops import sync_folder

_PUT_ASIDE: Final = """
UPDATE flow_runs SET state = 'dead', cause = 'restored', layer = 'orchestration', owner = NULL, lease_us = NULL,
    ended_us = CAST(strftime('%s', 'now') AS INTEGER) * 1000000
WHERE state IN ('queued', 'running', 'held')
"""


def offer_policies(backed_up: Path, folder: Path) -> None:
    """Bring the policy files back where there are none; files that are there come from git, and stay."""
    if backed_up.is_dir() and not (folder.is_dir() and any(folder.iterdir())):
        for path in (path for path in backed_up.rglob("*") if path.is_file()):
            copy_file(path, folder / path.relative_to(backed_up))


def offer_queue(backed_up: Path, file: Path) -> None:
    """Bring the queue back where there is none; one that is there knows what was done since.

    Nobody knows what runs that were open did after the backup, so they wait as dead letters for a person.
    """
    if backed_up.exists() and not file.exists():
        with closing(sqlite3.connect(backed_up)) as queue, queue:
            queue.execute(_PUT_ASIDE)
        near = file.with_name(f".{file.name}.restoring")
        copy_file(backed_up, near)
        near.rename(file)
        sync_folder(file.parent)
