"""Small policy trees for tests."""

from pathlib import Path

from policy.load import load_tree
from policy.problems import PolicyErrors

HEAD = "policy: {name}\nschema: 1\nowner: o@example.com\n"


def write(directory: Path, **files: str) -> Path:
    """Write files; `default` and other names get their head, names with `_` or a known list are written as they are."""
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        special = name.startswith("_") or name in ("providers", "prices")
        body = text if special else HEAD.format(name=name) + text
        (directory / f"{name}.yaml").write_text(body)
    return directory


def problems(directory: Path) -> list[str]:
    """Load a tree that must not load, and give the sentences."""
    try:
        load_tree(directory)
    except PolicyErrors as error:
        return [str(each) for each in error.problems]
    return []
