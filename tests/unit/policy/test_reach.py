"""Rules without any effect are found, and `check` asks the detectors about the rest."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.policy_tools.check import Detectors, check, load_checked
from policy.blocks_redaction import CustomRecognizer
from policy.model import Policy
from policy.problems import PolicyErrors
from policy.reach import pointless
from policy.yaml_reader import read_yaml
from tests.unit.policy.trees import HEAD, problems, write

SHIPPED = Path(__file__).parents[3] / "policies"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "redaction:\n  request: {EMAIL_ADRESS: {operator: hash}}\n",
            "a.yaml:5:27: redaction.request.EMAIL_ADRESS: nothing finds this kind; did you mean `EMAIL_ADDRESS`?",
        ),
        (
            "redaction:\n  sites: {user: {TICKET: {operator: hash}}}\n",
            "a.yaml:5:26: redaction.sites.user.TICKET: nothing finds this kind; "
            "add a recognizer for it or remove the rule",
        ),
        (
            "tighten:\n  - when: {x: y}\n    redaction: {request: {contact: {operator: mask}}}\n",
            "a.yaml:5:5: tighten[0]: this changes nothing, the policy is as strict already; remove it",
        ),
        (
            "routing:\n  rules:\n    - candidates: [{model: a}]\n    - {models: [b], candidates: [{model: c}]}\n",
            "a.yaml:7:7: routing.rules[1]: never reached: rules[0] takes every such call; move it up or remove it",
        ),
        (
            "routing:\n  rules:\n    - {models: ['gpt-*'], candidates: [{model: a}]}\n"
            "    - {models: [gpt-5, gpt-4], candidates: [{model: c}]}\n",
            "a.yaml:7:7: routing.rules[1]: never reached: rules[0] takes every such call; move it up or remove it",
        ),
        (
            "tools:\n  default: allow\n  rules:\n    - {tool: [mail.*, refund], action: allow}\n"
            "    - {tool: refund, action: deny, at: offered}\n",
            "a.yaml:8:7: tools.rules[1]: never reached: rules[0] takes every such tool; move it up or remove it",
        ),
    ],
)
def test_rules_without_effect_are_errors(tmp_path: Path, text: str, sentence: str) -> None:
    assert problems(write(tmp_path, a=text)) == [sentence]


def test_a_tool_rule_behind_one_that_takes_all_is_an_error() -> None:
    text = "delivery: buffered\ntools:\n  rules:\n    - {tool: '*', action: deny}\n    - {tool: a, action: allow}\n"
    source = read_yaml("a.yaml", (HEAD.format(name="a") + text).encode())
    found = list(pointless(Policy.model_validate(source.data), source))
    assert [str(each)[:30] for each in found] == ["a.yaml:8:7: tools.rules[1]: ne"]


def test_kinds_of_own_recognizers_deny_lists_and_presidio_are_known(tmp_path: Path) -> None:
    own = "redaction:\n  recognizers: [{kind: TICKET, pattern: 'T[0-9]+', examples: {match: [T1], no_match: [x]}}]\n"
    write(
        tmp_path,
        a=f"{own}  deny: {{CODE_NAME: [Bluebird]}}\n"
        "  request: {TICKET: {operator: hash}, CODE_NAME: {operator: hash}}\n",
    )
    assert problems(tmp_path) == []
    write(tmp_path, a="redaction:\n  presidio: [UuidRecognizer]\n  request: {UUID: {operator: hash}}\n")
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("pattern", "reason"), [("'('", "RE2 does not take"), ("'(?=a)b'", "RE2"), ("'a*'", "empty text")]
)
def test_patterns_that_could_not_run_are_refused(tmp_path: Path, pattern: str, reason: str) -> None:
    text = (
        f"redaction:\n  recognizers:\n    - {{kind: XY, pattern: {pattern}, examples: {{match: [a], no_match: [b]}}}}\n"
    )
    found = problems(write(tmp_path, a=text))
    assert len(found) == 1
    assert reason in found[0]


class FakeDetectors:
    """Knows one recognizer of Presidio, and finds that every second example fails."""

    def failed_examples(self, recognizer: CustomRecognizer) -> list[str]:
        return [f"the example {text!r} is not found" for text in recognizer.examples.match[1::2]]

    def unknown_presidio(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name != "UuidRecognizer"]


def test_check_runs_examples_and_says_where_they_stand(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="redaction:\n  presidio: [UuidRecognizer, NoRecognizer]\n"
        "  recognizers:\n    - kind: TICKET\n      pattern: 'T[0-9]+'\n"
        "      examples:\n        match: [T1, T2]\n        no_match: [x]\n",
    )
    fake = FakeDetectors()
    report = check(tmp_path, Detectors(fake.failed_examples, fake.unknown_presidio))
    assert not report.ok
    assert report.text().splitlines() == [
        "a.yaml:5:30: redaction.presidio[1]: Presidio has no recognizer NoRecognizer; remove it",
        "a.yaml:10:9: redaction.recognizers[0].examples: the example 'T2' is not found",
    ]
    write(tmp_path, a="")
    assert check(tmp_path).text().startswith("Good: 1 policy (a), ")


def test_the_detectors_of_the_product_are_asked(tmp_path: Path) -> None:
    assert check(SHIPPED).problems == ()
    examples = "examples: {match: [T1, X1], no_match: [T2]}"
    write(
        tmp_path,
        a="redaction:\n  presidio: [NoRecognizer]\n  recognizers:\n"
        f"    - {{kind: TICKET, pattern: 'T[0-9]', {examples}}}\n"
        f"    - {{kind: OTHER, pattern: 'T[0-9]', validator: magic, {examples}}}\n",
    )
    found = [each.split(": ", 2)[1:] for each in check(tmp_path).text().splitlines()]
    assert [path for path, _ in found] == [
        "redaction.presidio[0]",
        "redaction.recognizers[0].examples",
        "redaction.recognizers[0].examples",
        "redaction.recognizers[1].examples",
    ]
    assert "no validator `magic`" in found[3][1]
    with pytest.raises(PolicyErrors):
        load_checked(tmp_path)


def test_a_report_reads_the_same_as_text_and_json(tmp_path: Path) -> None:
    report = check(write(tmp_path, a="colour: red\n"))
    assert report.text() == "a.yaml:4:1: colour: unknown key; remove it"
    assert '"line": 4, "column": 1, "path": "colour"' in report.json()
