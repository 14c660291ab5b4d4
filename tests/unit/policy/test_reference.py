"""The reference page says what the model says, for every key."""

from pathlib import Path

import pytest

from policy.kinds import GROUPS
from tests.unit.policy.reference import sections

PAGE = (Path(__file__).parents[3] / "docs/reference/policy-file.md").read_text()


@pytest.mark.parametrize(("path", "rows"), list(sections()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_has_its_row_under_its_heading(path: str, rows: list[str]) -> None:
    heading = f"\n## `{path}`\n" if path else "\n## The file\n"
    assert heading in PAGE
    section = PAGE.split(heading)[1].split("\n## ")[0].splitlines()
    assert [row for row in rows if row not in section] == []


def test_every_group_is_named() -> None:
    for group, kinds in GROUPS.items():
        assert f"| `{group}` | {', '.join(f'`{kind}`' for kind in sorted(kinds))} |" in PAGE
