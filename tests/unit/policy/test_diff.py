"""Differences in words, with the direction a reviewer looks for."""

from pathlib import Path

import pytest

from policy.diff import diff
from policy.load import load_tree
from tests.unit.policy.trees import write

BASE = (
    "redaction:\n  names: balanced\n  allow: [a, b]\n  request:\n    finance: {operator: pseudonym}\n"
    "    PERSON: {operator: hash, enforce: observe}\nretention: {content: 30d}\n"
    "routing: {candidates: [{model: m}]}\n"
)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("names: balanced", "names: strict", "a: redaction.names: balanced -> strict (stricter)"),
        ("names: balanced", "names: off", "a: redaction.names: balanced -> off (looser)"),
        ("allow: [a, b]", "allow: [a]", "a: redaction.allow: [a, b] -> [a] (stricter)"),
        ("observe", "on", "a: redaction.request.PERSON.enforce: observe -> on (stricter)"),
        ("content: 30d", "content: 90d", "a: retention.content: 30d -> 90d (looser)"),
        ("model: m", "model: n", "a: routing.candidates[0].model: m -> n"),
        (
            "    PERSON:",
            "    CREDIT_CARD: {operator: mask, keep_last: 4}\n    PERSON:",
            "a: redaction.request.CREDIT_CARD added: {operator: mask, enforce: on, keep_last: 4} (looser)",
        ),
        (
            "    PERSON:",
            "    CREDIT_CARD: {operator: block}\n    PERSON:",
            "a: redaction.request.CREDIT_CARD added: {operator: block, enforce: on, keep_last: 0} (stricter)",
        ),
        ("hash", "block", "a: redaction.request.PERSON.operator: hash -> block (stricter)"),
    ],
)
def test_a_change_is_said_with_its_direction(tmp_path: Path, old: str, new: str, words: str) -> None:
    before = load_tree(write(tmp_path / "before", a=BASE))
    after = load_tree(write(tmp_path / "after", a=BASE.replace(old, new, 1)))
    assert [str(change) for change in diff(before, after)] == [words]


def test_policies_providers_and_prices_come_and_go(tmp_path: Path) -> None:
    price = "schema: 1\nprices:\n  - {provider: p, model: m, from: 2026-01-01, input_usd: 1, output_usd: 2}\n"
    before = load_tree(write(tmp_path / "1", a="", b="applies_to: {team: x}\n", prices=price))
    providers = "schema: 1\nproviders: {p: {base_url: 'https://h/v1'}}\n"
    other = price.replace("input_usd: 1", "input_usd: 3")
    after = load_tree(write(tmp_path / "2", a="", c="applies_to: {team: x}\n", prices=other, providers=providers))
    words = [str(change) for change in diff(before, after)]
    assert words[:2] == ["b removed", "c added"]
    assert words[2].startswith("providers.yaml: p added: {kind: openai, base_url: https://h/v1")
    assert words[3] == "prices.yaml: p/m@2026-01-01.input_usd: 1.0 -> 3.0"


def test_equal_trees_do_not_differ(tmp_path: Path) -> None:
    assert diff(load_tree(write(tmp_path / "1", a=BASE)), load_tree(write(tmp_path / "2", a="# x\n" + BASE))) == []


JUDGED = """
delivery: buffered
confidence:
  scorers: [{kind: schema}]
  bands: [{at_least: 0.9, verdict: pass}, {at_least: 0, verdict: hold}]
hold: {deadline: 4h, queue: drafts, at_deadline: reject}
"""


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("at_least: 0.9", "at_least: 0.4", "confidence.bands[0].at_least"),
        ("at_deadline: reject", "at_deadline: release", "hold.at_deadline"),
        ("queue: drafts", "queue: drafts, self_approval: true", "hold.self_approval"),
    ],
)
def test_a_lower_bar_is_looser_and_a_higher_one_stricter(tmp_path: Path, old: str, new: str, path: str) -> None:
    before = load_tree(write(tmp_path / "before", a=JUDGED))
    after = load_tree(write(tmp_path / "after", a=JUDGED.replace(old, new)))
    (loosened,), (tightened,) = diff(before, after), diff(after, before)
    assert str(loosened).startswith(f"a: {path}: ")
    assert (str(loosened)[-8:], str(tightened)[-10:]) == ("(looser)", "(stricter)")
