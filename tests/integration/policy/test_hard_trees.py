"""The loader under what an editor, a full disk or an attacker leaves behind, in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from gateway.keeper.folder import PolicyFolder
from policy.kinds import GROUPS
from policy.load import load_tree
from policy.model import Policy
from policy.rules import SITES, rule_for
from policy.values import Direction
from redaction.rules import RuleBook
from tests.unit.policy.trees import problems, write

SHIPPED = Path(__file__).parents[3] / "policies"

_PROGRAM = """
import json, resource, sys
from pathlib import Path
from policy.load import load_tree
from policy.problems import PolicyErrors
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    print(json.dumps([load_tree(Path(sys.argv[1])).sha256]))
except PolicyErrors as error:
    print(json.dumps([str(problem) for problem in error.problems]))
"""


def outcome(tree: Path) -> list[str]:
    """Load a tree in a process with 1 GiB of memory; a crash or a traceback fails the test."""
    command = [sys.executable, "-c", _PROGRAM, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SHIPPED.parent, timeout=60)
    found: list[str] = json.loads(done.stdout)
    return found


def test_bombs_name_their_line_and_take_neither_time_nor_memory(tmp_path: Path) -> None:
    bombs = {
        "brackets": b"[" * 80_000,
        "lines": b"[\n" * 19_000,
        "braces": b"a: " + b"{a: " * 5_000,
        "sequences": b"- " * 9_000,
        "laughs": b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "merge": b"a: &a {b: 1}\nc: {<<: *a}\n",
        "large": b"# " + b"x" * (2 << 20),
        "quotes": b'a: "' + b"\n" * 19_000,
        "values": b"a:\n" + b"  - [1,1,1,1,1,1,1,1,1,1]\n" * 15_000,
        "tags": b"!!python/object/apply:os.system [id]\n",
        "bytes": bytes(range(256)) * 100,
    }
    tree = write(tmp_path, ok="")
    for name, raw in bombs.items():
        (tree / f"{name}.yaml").write_bytes(raw)
    found = outcome(tree)
    assert [each.split(".")[0] for each in found] == sorted(bombs)
    assert all(each.split(":")[1].isdigit() and each.split(":")[2].isdigit() for each in found)


def test_a_file_being_written_is_refused_or_complete_at_every_byte(tmp_path: Path) -> None:
    raw = (SHIPPED / "_floors.yaml").read_bytes()
    whole = write(tmp_path, a="")
    for end in range(len(raw)):
        (whole / "_floors.yaml").write_bytes(raw[:end])
        assert all(each.startswith("_floors.yaml:") for each in problems(whole))


def test_redaction_reads_rules_as_policy_does() -> None:
    block = {
        "names": "balanced",
        "profiles": ["glba"],
        "request": {"contact": {"operator": "hash"}, "EMAIL_ADDRESS": {"operator": "mask", "keep_last": 2}},
        "answer": {"finance": {"operator": "replace", "with": "<F>", "enforce": "observe"}},
        "sites": {"user": {"contact": {"operator": "keep"}}, "tool": {"PHONE_NUMBER": {"operator": "block"}}},
        "deny": {"CODE_NAME": ["Bluebird"]},
        "min_score": 0.3,
    }
    redaction = Policy.model_validate({"policy": "p", "schema": 1, "owner": "o", "redaction": block}).redaction
    book = RuleBook(redaction)
    for kind in ("CODE_NAME", "UNHEARD_OF", *(kind for kinds in GROUPS.values() for kind in kinds)):
        for site in ("request", "answer", *SITES):
            direction: Direction = "answer" if site == "answer" else "request"
            expected = rule_for(redaction, direction, kind, site)
            found = book.rule(site, kind)
            assert (found and found.operator) == (expected and expected.operator), (site, kind)


def test_two_hundred_files_load_together(tmp_path: Path) -> None:
    shipped = (SHIPPED / "support-drafting.yaml").read_text()
    shutil.copytree(SHIPPED / "templates", tmp_path / "templates")
    for number in range(200):
        text = shipped.replace("policy: support-drafting", f"policy: p{number}")
        (tmp_path / f"p{number}.yaml").write_text(
            text.replace("automation: support-drafting", f"automation: a{number}")
        )
    assert len(load_tree(tmp_path).policies) == 200


def test_a_prompt_edited_in_place_is_seen(tmp_path: Path) -> None:
    prompt = tmp_path / "prompts" / "reply" / "v1.md"
    prompt.parent.mkdir(parents=True)
    prompt.write_text("one")
    before = PolicyFolder(tmp_path).digest()
    prompt.write_text("two")
    assert PolicyFolder(tmp_path).digest() != before
