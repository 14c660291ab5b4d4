"""Registered prompts: where they stand, what they declare, and which of them may run."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import pytest

from policy.blocks_access import Prompts
from policy.load import load_tree
from policy.model import Policy
from policy.problems import PolicyErrors
from policy.prompt_files import read_prompt
from policy.prompts import Key, decide_prompt, missing, refers
from policy.snapshot import Snapshot
from policy.yaml_reader import read_yaml
from tests.unit.policy.trees import problems, write

GOOD = (
    "---\nid: reply\nversion: 3\nowner: o@example.com\nvariables: [ticket, tone]\n"
    "output_schema: {type: object}\n---\nAnswer {{ ticket }} in a {{tone}} tone.\n"
)


def register(tree: Path, text: str = GOOD, place: str = "reply/v3.md") -> Path:
    file = tree / "prompts" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return tree


def test_prompts_stand_in_the_snapshot_with_their_hash(tmp_path: Path) -> None:
    snapshot = load_tree(register(write(tmp_path, a="")))
    prompt = snapshot.prompts[Key("reply", 3)]
    assert prompt.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert prompt.text == "Answer {{ ticket }} in a {{tone}} tone.\n"
    assert prompt.output_schema == {"type": "object"}
    assert Snapshot.from_bytes(snapshot.to_bytes()).prompts == snapshot.prompts


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("---\nid", "id", "prompts/reply/v3.md:1:1: begin with a head between two `---` lines"),
        ("id: reply", "id: answer", "prompts/reply/v3.md:2:5: id: the folder is called `reply`"),
        ("version: 3", "version: 4", "prompts/reply/v3.md:3:10: version: the file is called `v3.md`"),
        ("version: 3", "version: no", "prompts/reply/v3.md:3:10: version: this must be a whole number"),
        ("owner: o@example.com\n", "", "prompts/reply/v3.md:2:1: owner: this key is required"),
        ("tone]", "tone, mood]", "prompts/reply/v3.md:5:27: variables[2]: the text does not use this variable"),
        (", tone]", "]", "prompts/reply/v3.md:5:12: variables: the text uses `tone`; add it"),
        ("id: reply", "id: &x reply", "prompts/reply/v3.md:2:5: id: anchors and aliases"),
        ("owner:", "ovner:", "prompts/reply/v3.md:4:1: ovner: unknown key; did you mean `owner`?"),
    ],
)
def test_a_wrong_prompt_says_where(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    found = problems(register(write(tmp_path, a=""), GOOD.replace(old, new, 1)))
    assert any(each.startswith(sentence) for each in found), found


def test_a_prompt_cut_at_any_byte_reads_or_is_refused() -> None:
    for end in range(len(GOOD)):
        with contextlib.suppress(PolicyErrors):
            assert read_prompt("prompts/reply/v3.md", GOOD[:end].encode()).version == 3


def test_links_and_other_files_in_the_registry(tmp_path: Path) -> None:
    tree = register(write(tmp_path / "tree", a=""))
    (tree / "prompts" / "README.md").write_text("not a prompt")
    (tree / "prompts" / "reply" / ".v4.md.swp").write_text("x")
    load_tree(tree)
    (tmp_path / "v4.md").write_text(GOOD)
    (tree / "prompts" / "reply" / "v4.md").symlink_to(tmp_path / "v4.md")
    assert "symbolic link" in problems(tree)[0]


@pytest.mark.parametrize(
    ("reference", "version", "meant"),
    [
        ("reply", 1, True),
        ("reply@2", 2, True),
        ("reply@2", 3, False),
        ("reply@>=2", 3, True),
        ("reply@>=2", 1, False),
        ("other", 1, False),
    ],
)
def test_references_name_versions(reference: str, version: int, meant: bool) -> None:
    assert refers(reference, Key("reply", version)) is meant


@pytest.mark.parametrize(
    ("block", "key", "decision"),
    [
        (None, None, "allow"),
        ({}, ("reply", 3), "allow"),
        ({}, ("reply", 9), "block"),
        ({}, None, "block"),
        ({"unregistered": "flag"}, None, "flag"),
        ({"allow": ["reply@>=2"]}, ("reply", 3), "allow"),
        ({"allow": ["reply@2"]}, ("reply", 3), "block"),
        ({"allow": ["reply@2"], "unregistered": "flag"}, ("reply", 3), "block"),
        ({"allow": ["reply@2"], "enforce": "observe"}, ("reply", 3), "flag"),
    ],
)
def test_which_prompts_may_run(block: dict[str, Any] | None, key: tuple[str, int] | None, decision: str) -> None:
    rules = None if block is None else Prompts.model_validate(block)
    assert decide_prompt(rules, Key(*key) if key else None, [Key("reply", 3), Key("other", 1)]) == decision


def test_a_reference_to_a_prompt_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    registered = load_tree(register(write(tmp_path, a=""))).prompts
    head = {"policy": "p", "schema": 1, "owner": "o"}
    policy = Policy.model_validate(head | {"prompts": {"allow": ["reply@>=2", "reply@4", "draft"]}})
    source = read_yaml("p.yaml", b"policy: p\n")
    assert [each.path for each in missing(policy, source, registered)] == ["prompts.allow[1]", "prompts.allow[2]"]
