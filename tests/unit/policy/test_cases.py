"""Tests of policies: they pass on the shipped folder, and a rule that gets looser fails them with its line."""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.policy_tools.cases import Ran, Setting, run_cases
from policy.problems import PolicyErrors
from tests.unit.policy.trees import write

SHIPPED = Path(__file__).parents[3] / "policies"
SETTING = Setting("openai", datetime(2026, 6, 15, tzinfo=UTC))


def ran(folder: Path) -> Ran:
    return asyncio.run(run_cases(folder, SETTING))


def write_tests(tree: Path, text: str) -> Path:
    (tree / "tests").mkdir(exist_ok=True)
    (tree / "tests" / "t.yaml").write_text(f"schema: 1\ntests:\n{text}")
    return tree


def test_the_shipped_tests_pass() -> None:
    result = ran(SHIPPED)
    assert result.problems == ()
    assert result.count >= 6


def test_loosening_a_shipped_rule_fails_its_test(tmp_path: Path) -> None:
    tree = tmp_path / "policies"
    shutil.copytree(SHIPPED, tree)
    default = tree / "default.yaml"
    default.write_text(default.read_text().replace("contact:   {operator: pseudonym}", "contact:   {operator: keep}"))
    problems = [str(each) for each in ran(tree).problems]
    assert [each.split(": ")[1] for each in problems] == ["tests[0].expect.redacted", "tests[0].expect.absent"]
    assert problems[0].startswith("tests/shipped.yaml:10:17: ")
    assert "expected ['CREDIT_CARD', 'EMAIL_ADDRESS'], found ['CREDIT_CARD']" in problems[0]
    assert not any("ada@example.org" in each for each in problems)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("policy: b", "expected b, found a"),
        ("models: [x]", "expected ['x'], found ['gpt-4o']"),
        ("verdict: hold", "expected hold, found pass"),
        ("blocked: US_SSN", "expected US_SSN, found nothing"),
        ("tightened: [0]", "expected [0], found nothing"),
        ("present: [absent words]", "did not leave unchanged"),
        ("max_cost_usd: 1", "expected at most 1, found unknown"),
    ],
)
def test_each_expectation_can_fail(tmp_path: Path, expect: str, message: str) -> None:
    tree = write_tests(write(tmp_path, a=""), f"  - name: n\n    expect: {{{expect}}}\n")
    (problem,) = ran(tree).problems
    assert message in problem.message
    assert (problem.file, problem.line) == ("tests/t.yaml", 4)


def test_an_ungoverned_call_and_observed_rules_can_be_expected(tmp_path: Path) -> None:
    tree = write(
        tmp_path,
        a="applies_to: {team: x}\nredaction:\n  request: {contact: {operator: hash, enforce: observe}}\n",
    )
    write_tests(
        tree,
        "  - {name: nobody, expect: {policy: none}}\n"
        "  - name: watched\n    given: {facts: {team: x}, text: Write to ada@example.org}\n"
        "    expect: {observed: [EMAIL_ADDRESS], redacted: [], present: [ada@example.org]}\n",
    )
    assert ran(tree).problems == ()


def test_a_wrong_test_file_is_an_error_with_its_place(tmp_path: Path) -> None:
    tree = write_tests(write(tmp_path, a=""), "  - {name: n, expect: {polcy: a}}\n")
    with pytest.raises(PolicyErrors) as caught:
        ran(tree)
    assert str(caught.value) == "tests/t.yaml:3:24: tests[0].expect.polcy: unknown key; did you mean `policy`?"


@pytest.mark.parametrize(
    ("calls", "verdict", "decided_by"),
    [
        ("{tool: refund, arguments: {usd: 20}}", "pass", "bands[0]"),
        ("{tool: refund, arguments: {usd: 500}}", "hold", "tools.rules[0]"),
        ("{tool: refund, arguments: {usd: 500}}, {tool: drop_table}", "block", "tools.default"),
    ],
)
def test_the_tools_that_an_answer_calls_are_judged(tmp_path: Path, calls: str, verdict: str, decided_by: str) -> None:
    rules = "{tool: refund, at: called, when: arguments.usd > 100, action: hold}, {tool: refund, action: allow}"
    ladder = "confidence: {scorers: [{kind: logprob}], bands: [{at_least: 0, verdict: pass}]}\n"
    policy = f"delivery: buffered\nhold: {{queue: q, deadline: 1h}}\n{ladder}tools: {{rules: [{rules}]}}\n"
    case = "  - name: n\n    given: {score: 0.9, calls: [CALLS]}\n    expect: {verdict: V, decided_by: 'D'}\n"
    tree = write(tmp_path, a=policy)
    text = case.replace("CALLS", calls).replace(": V", f": {verdict}")
    assert ran(write_tests(tree, text.replace("'D'", f"'{decided_by}'"))).problems == ()
    (problem,) = ran(write_tests(tree, text.replace("'D'", "nobody"))).problems
    assert f"expected nobody, found {decided_by}" in problem.message


@pytest.mark.parametrize(("offers", "refused_by"), [("lookup", None), ("lookup, shell", "tools.rules[0]"), ("x", None)])
def test_the_tools_that_a_call_offers_are_judged(tmp_path: Path, offers: str, refused_by: str | None) -> None:
    policy = "tools: {default: allow, rules: [{tool: shell, at: offered, action: deny}]}\n"
    case = f"  - name: n\n    given: {{offers: [{offers}]}}\n    expect: {{refused_by: 'tools.rules[0]'}}\n"
    problems = ran(write_tests(write(tmp_path, a=policy), case)).problems
    assert (problems == ()) == (refused_by is not None)


SPLIT = """
routing:
  rules:
    - candidates: [{model: m}, {model: n}]
      split:
        name: canary
        arms: [{name: old, model: m, share: 0.9}, {name: new, model: n, share: 0.1}]
        promote:
          {arm: new, every: 1d, step: 0.1, up_to: 0.5, min_calls: 100, requires: [{measure: error, at_most: 0.05}]}
"""


@pytest.mark.parametrize(
    ("arm", "share"),
    [
        ("calls: 1000, failed: 5", 0.2),
        ("calls: 50", 0.1),
        ("calls: 1000, failed: 200", 0),
        ("calls: 1000, failed: 5, age: 1h", 0.1),
        ("calls: 1000, failed: 5, share: 0.45", 0.5),
    ],
)
def test_what_becomes_of_a_growing_arm_can_be_tested(tmp_path: Path, arm: str, share: float) -> None:
    tree = write(tmp_path, a=SPLIT)
    case = f"  - name: n\n    given: {{arm: {{split: canary, {arm}}}}}\n    expect: {{share: SHARE}}\n"
    assert ran(write_tests(tree, case.replace("SHARE", str(share)))).problems == ()
    (problem,) = ran(write_tests(tree, case.replace("SHARE", "0.99"))).problems
    assert "expected 0.99" in problem.message


def test_the_arm_of_a_run_can_be_tested(tmp_path: Path) -> None:
    case = "  - name: n\n    given: {run: RUN}\n    expect: {split_arm: new, models: [n, m]}\n"
    tree = write(tmp_path, a=SPLIT)
    fell = [run for run in range(60) if not ran(write_tests(tree, case.replace("RUN", f"r{run}"))).problems]
    assert 0 < len(fell) < 30
