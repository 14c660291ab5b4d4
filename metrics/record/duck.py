"""How DuckDB is set up for the ledger, and how a file of its kind is attached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

# A checkpoint writes the last group of rows of each table again. With DuckDB's own 122,880 that costs more than all
# inserts once a table has 50,000 rows, unless it is done seldom; but until it is done, rows stand in memory, and that
# takes as much as they take in the log. Groups of this size make it cheap, for a file a quarter larger.
_GROUP_ROWS: Final = 10_240
CONFIG: Final[Mapping[str, str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "preserve_insertion_order": "false",
    "threads": "2",
    "checkpoint_threshold": "16MB",  # of the log
    "allocator_background_threads": "true",  # give back what counting took, though nothing comes in afterwards
}


def attach(path: Path, name: str) -> str:
    """Return the statement that opens a file under a name. The size of its groups can be given in no other way."""
    return f'ATTACH {quoted(str(path))} AS "{name}" (ROW_GROUP_SIZE {_GROUP_ROWS})'


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
