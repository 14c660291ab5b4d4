"""The shape of the house: file sizes, front doors, who may make clean text, and names that must not collide."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("policy", "redaction", "metrics", "gateway", "dashboard", "automations", "demo")
MAX_LINES = 300
# Our own working notes on who holds the pen must not appear in what users read.
REGISTRY_MARKS = ("--index-url", "--extra-index-url", "pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_every_file_stays_readable_in_one_sitting() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in sources(*PACKAGES) if (n := p.read_text("utf-8").count("\n")) > MAX_LINES
    }
    assert not long, f"over {MAX_LINES} lines: {long}"


def test_front_doors_import_nothing() -> None:
    doors = [p for p in sources(*PACKAGES) if p.name == "__init__.py"]
    importing = [p for p in doors if any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(tree(p)))]
    assert not importing
    assert doors


def test_only_redaction_makes_clean_text() -> None:
    """`Clean("...")` outside redaction would call raw text clean."""
    makers = [
        str(path.relative_to(ROOT))
        for path in sources(*(p for p in PACKAGES if p != "redaction"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Clean"
    ]
    assert not makers


def test_nothing_is_patched() -> None:
    words = ("mock.patch", "MagicMock", "unittest." + "mock")
    found = [
        str(p)
        for p in sources("tests", *PACKAGES)
        if p != Path(__file__) and any(w in p.read_text("utf-8") for w in words)
    ]
    assert not found


def test_our_top_level_names_belong_to_us() -> None:
    owners = importlib.metadata.packages_distributions()
    taken = {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"sluice"}}
    assert not taken


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: tracked files cannot be listed")
def test_no_registry_host_is_written_into_the_project() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in {".py", ".toml", ".lock", ".in", ".md", ".yaml", ".yml", ".sh", ".json", ""}
        and path.is_file()
        and path != Path(__file__)
        and any(mark in path.read_text("utf-8", errors="ignore") for mark in REGISTRY_MARKS)
    ]
    assert not found


def test_locks_pin_every_package_with_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
        unpinned = [
            line
            for line in blocks
            if line.strip() and not line.startswith("#") and ("==" not in line or "--hash=sha256:" not in line)
        ]
        assert not unpinned, f"{name}: {unpinned[:3]}"


# Libraries that come with one that pyproject.toml names, and are part of what it offers.
COMES_WITH = {"pandas": "streamlit", "spacy": "presidio-analyzer", "tldextract": "presidio-analyzer"}
COMES_WITH |= {"starlette": "fastapi", "yarl": "aiohttp", "httpx": "openai"}


def imported() -> set[str]:
    """Every top-level name that the packages import, ours and the standard library's left out."""
    nodes = [node for path in sources(*PACKAGES) for node in ast.walk(tree(path))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names} - set(PACKAGES) - set(sys.stdlib_module_names)


def same(name: str) -> str:
    """Return a distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_library_that_is_imported_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    asked = {same(re.split(r"[^\w.-]", line)[0]) for line in [*project["dependencies"], *extras]}
    owners = importlib.metadata.packages_distributions()
    belongs = {name: {same(owner) for owner in owners.get(name, [name])} for name in imported()}
    assert not {name for name, owner in belongs.items() if not owner & asked and COMES_WITH.get(name) not in asked}


@pytest.mark.xdist_group("shape")
def test_tests_of_one_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """A pytest that pytest-xdist does not know drops the groups without a word."""
    in_groups = request.config.getoption("loadgroup", False)
    assert not in_groups or request.node.nodeid.endswith("@shape")
