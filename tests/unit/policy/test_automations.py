"""The registry: what every automation must declare, and what its policy must have."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.policy_tools.check import check
from policy.automations import Automation, governing_policies, unfit
from policy.load import load_tree
from policy.model import Policy
from policy.snapshot import Snapshot
from policy.yaml_reader import read_yaml
from tests.unit.policy.trees import problems, write

ENTRY = (
    "automation: triage\nschema: 1\nowner: o@example.com\npurpose: Sorts mail.\n"
    "baseline: {minutes_per_task: 4, error_rate: 0.05}\nsuccess: The route was right.\n"
    "rollback: [{measure: override, at_most: 0.2, over: 7d}]\n"
)


def register(tree: Path, text: str = ENTRY, name: str = "triage") -> Path:
    (tree / "automations").mkdir(exist_ok=True)
    (tree / "automations" / f"{name}.yaml").write_text(text)
    return tree


def test_a_registered_automation_stands_in_the_snapshot(tmp_path: Path) -> None:
    snapshot = load_tree(register(write(tmp_path, a="")))
    assert snapshot.automations["triage"].baseline.minutes_per_task == 4
    assert Snapshot.from_bytes(snapshot.to_bytes()).automations == snapshot.automations


@pytest.mark.parametrize("key", ["baseline", "success", "owner", "purpose"])
def test_what_every_automation_must_declare(tmp_path: Path, key: str) -> None:
    text = "".join(line for line in ENTRY.splitlines(keepends=True) if not line.startswith(key))
    found = problems(register(write(tmp_path, a=""), text))
    assert found == [f"automations/triage.yaml:1:1: {key}: this key is required; add it"]


def test_what_runs_must_say_when_to_go_back(tmp_path: Path) -> None:
    text = "".join(line for line in ENTRY.splitlines(keepends=True) if not line.startswith("rollback"))
    (problem,) = problems(register(write(tmp_path, a=""), text))
    assert problem.endswith("give at least one criterion for going back, or `stage: candidate`")


def test_objectives_and_ways_back(tmp_path: Path) -> None:
    way = "{measure: success, at_least: 0.8, over: 7d, action: activate, snapshot: " + "ab" * 32 + "}"
    text = ENTRY.replace("rollback: [", f"rollback: [{way}, ")
    text += "targets: [{measure: hold_age_p95_s, at_most: 14400}]\n"
    found = load_tree(register(write(tmp_path, a=""), text)).automations["triage"]
    assert found.targets[0].measure == "hold_age_p95_s"
    assert (found.rollback[0].action, found.rollback[0].snapshot) == ("activate", "ab" * 32)
    register(tmp_path, ENTRY.replace("over: 7d", "over: 7d, action: activate"))
    assert problems(tmp_path) == [
        "automations/triage.yaml:7:12: rollback[0]: `action: activate` and `snapshot` need each other"
    ]


def test_an_ungoverned_or_repeated_automation_is_an_error(tmp_path: Path) -> None:
    tree = register(write(tmp_path, a="applies_to: {automation: other}\n"))
    assert problems(tree) == [
        "automations/triage.yaml:1:13: automation: no policy governs this automation; add one or correct the name"
    ]
    tree = register(register(write(tmp_path, a="")), name="again")
    assert "again.yaml has the same name" in problems(tree)[0]


def test_a_mistake_in_a_policy_is_not_blamed_on_the_registry(tmp_path: Path) -> None:
    assert problems(register(write(tmp_path, a="colour: red\n"))) == ["a.yaml:4:1: colour: unknown key; remove it"]


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    tree = write(tmp_path / "tree", a="")
    (tree / "automations").symlink_to(tmp_path / "outside")
    assert "symbolic link" in problems(tree)[0]


def lacks(flag: str, **blocks: Any) -> list[str]:
    policy = Policy.model_validate({"policy": "p", "schema": 1, "owner": "o", **blocks})
    source = read_yaml("triage.yaml", f"{ENTRY}{flag}: true\n".encode())
    return [
        each.message.split(" lacks ")[1] for each in unfit(Automation.model_validate(source.data), source, [policy])
    ]


def test_a_customer_facing_automation_needs_scorer_template_and_hold() -> None:
    assert lacks("customer_facing") == [
        "an enforced `confidence` block with a scorer; add it there",
        "a fallback template; add it there",
        "a `hold` block; add it there",
    ]
    confidence = {
        "scorers": [{"kind": "logprob"}],
        "bands": [{"at_least": 0.8, "verdict": "pass"}, {"at_least": 0, "verdict": "fallback", "template": "sorry"}],
    }
    hold = {"queue": "q", "deadline": "4h"}
    assert lacks("customer_facing", confidence=confidence, hold=hold, delivery="buffered") == []


def test_a_regulated_automation_needs_minimisation_redaction_both_ways_and_retention() -> None:
    found = lacks(
        "regulated", redaction={"request": {}, "answer": {"names": {"operator": "hash", "enforce": "observe"}}}
    )
    assert [each.split(";")[0] for each in found] == [
        "an enforced `minimise` block",
        "enforced `redaction.request` rules",
        "enforced `redaction.answer` rules",
        "a `retention` block of its own",
    ]
    assert lacks("regulated", minimise={"drop": ["customer.notes"]}, retention={"content": "7d"}) == []


def test_every_policy_that_may_govern_an_automation_is_looked_at() -> None:
    def policy(name: str, **facts: Any) -> Policy:
        return Policy.model_validate({"policy": name, "schema": 1, "owner": "o", "applies_to": facts})

    automation = Automation.model_validate(read_yaml("t.yaml", f"{ENTRY}team: care\n".encode()).data)
    policies = [
        policy("all"),
        policy("team", team="care"),
        policy("production", team=["care", "x"], environment="production"),
        policy("elsewhere", team="sales", data_class="health"),
        policy("own", automation="triage", environment="staging"),
    ]
    assert [each.policy for each in governing_policies(automation, policies)] == ["team", "production", "own"]


FIT = """
delivery: buffered
redaction: {request: {contact: {operator: hash}}, answer: {contact: {operator: replace}}}
minimise: {drop: [customer.notes]}
retention: {content: 7d}
confidence:
  scorers: [{kind: logprob}]
  template: sorry
  bands: [{at_least: 0.8, verdict: pass}, {at_least: 0.4, verdict: fallback}, {at_least: 0, verdict: hold}]
hold: {queue: letters, deadline: 4h}
"""
SORRY = "template: sorry\nversion: 1\nschema: 1\nowner: o@example.com\nwordings: [{text: Not now.}]\n"


@pytest.mark.parametrize(
    ("block", "lacking"),
    [
        (None, None),
        (
            "confidence",
            "customer_facing: the policy `a` governs it and lacks an enforced `confidence` block",
        ),
        ("hold", "a.yaml"),  # a band holds, so the policy itself says what is missing
        ("minimise", "regulated: the policy `a` governs it and lacks an enforced `minimise` block"),
        ("retention", "regulated: the policy `a` governs it and lacks a `retention` block of its own"),
    ],
)
def test_check_refuses_a_customer_facing_regulated_automation_whose_policy_lacks_something(
    tmp_path: Path, block: str | None, lacking: str | None
) -> None:
    blocks = re.split(r"\n(?=\w)", FIT)
    text = "\n".join(each for each in blocks if not block or not each.startswith(block)) + "\n"
    tree = register(write(tmp_path, a=text), ENTRY + "customer_facing: true\nregulated: true\n")
    (tree / "templates" / "sorry").mkdir(parents=True)
    (tree / "templates" / "sorry" / "v1.yaml").write_text(SORRY)
    report = check(tree)
    assert report.ok == (lacking is None), report.text()
    assert lacking is None or lacking in report.text()
