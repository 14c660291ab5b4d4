"""Explanations name the rule that decided, with its file and line."""

from pathlib import Path

from policy.explain import Found, Question, Tool, explain
from policy.load import load_with_places
from policy.model import Facts
from policy.routing import Request
from tests.unit.policy.trees import write

TEXT = (
    "applies_to: {team: care}\n"  # line 4
    "tighten:\n"
    "  - when: {data_class: health}\n"
    "    redaction: {request: {identity: {operator: block}}}\n"
    "  - when: {step: export}\n"
    "    redaction: {restore: never}\n"
    "redaction:\n"  # line 10
    "  request:\n"
    "    identity: {operator: pseudonym}\n"
    "    finance: {operator: hash, enforce: observe}\n"
    "  sites: {user: {CREDIT_CARD: {operator: mask}}}\n"
    "routing:\n"  # line 15
    "  rules:\n"
    "    - {models: [gpt-4o], candidates: [{model: openai/gpt-4.1}]}\n"
)


def said(tmp_path: Path, question: Question) -> list[str]:
    loaded = load_with_places(write(tmp_path, a=TEXT, default=""))
    return [str(reason) for reason in explain(loaded, question)]


def test_every_decision_names_its_rule(tmp_path: Path) -> None:
    found = (
        Found("US_SSN"),
        Found("IBAN_CODE"),
        Found("CREDIT_CARD", "request", "user"),
        Found("URL"),
        Found("JWT", "answer"),
    )
    labels = {"data_class": "health"}
    assert said(tmp_path, Question(Facts(team="care"), labels, Request("gpt-4o"), found)) == [
        "`a` governs: it names team care (a.yaml:4)",
        "`default` fits as well and names fewer facts (0) (default.yaml)",
        "tighten[0] applies: it needs data_class health (a.yaml:6)",
        "tighten[1] does not apply: it needs step export (a.yaml:8)",
        "US_SSN in the request is treated as `block` (a.yaml:7)",
        "IBAN_CODE in the request would be treated as `hash` (a.yaml:13)",
        "CREDIT_CARD in the request (user) is treated as `mask` (a.yaml:14)",
        "URL in the request is not looked for (a.yaml)",
        "JWT in the answer is treated as `replace`, the default (a.yaml:11)",
        "model gpt-4o goes to openai/gpt-4.1: routing.rules[0] (a.yaml:17)",
        "delivery is live, as nothing in the file says otherwise (a.yaml: delivery)",
    ]


def test_without_labels_the_files_own_rule_stands(tmp_path: Path) -> None:
    lines = said(tmp_path, Question(Facts(team="care"), {}, Request("o3"), (Found("US_SSN"),)))
    assert "US_SSN in the request is treated as `pseudonym` (a.yaml:12)" in lines
    assert "model o3 goes to o3: no routing rule mentions it (a.yaml:16)" in lines


def test_an_ungoverned_key_is_said(tmp_path: Path) -> None:
    write(tmp_path, a=TEXT)
    loaded = load_with_places(tmp_path)
    assert [each.text for each in explain(loaded, Question(Facts(team="x"), {}))] == [
        "no policy governs this key; the call is refused"
    ]


def test_a_verdict_names_its_band(tmp_path: Path) -> None:
    block = (
        "delivery: buffered\n"  # line 4
        "hold: {queue: letters, deadline: 1h}\n"
        "confidence:\n"
        "  scorers: [{kind: logprob}]\n"
        "  bands:\n"
        "    - {at_least: 0.8, verdict: pass}\n"
        "    - {at_least: 0, verdict: hold}\n"  # line 10
    )
    loaded = load_with_places(write(tmp_path, default=block))
    lines = [str(reason) for reason in explain(loaded, Question(Facts(), {}, score=0.5))]
    assert "score 0.5 gives the verdict hold in letters: bands[1] (default.yaml:10)" in lines
    lines = [str(reason) for reason in explain(loaded, Question(Facts(), {}))]
    assert any("no score gives the verdict hold in letters: unscored" in line for line in lines)


def test_the_shares_of_a_split_and_the_shadow_have_their_lines(tmp_path: Path) -> None:
    arms = "{name: old, share: 0.9, model: m}, {name: new, share: 0.1, model: n}"
    models = "    - models: [gpt-4o]\n      candidates: [{model: m}, {model: n}]\n"
    rule = f"{models}      split:\n        name: s\n        arms: [{arms}]\n"
    shadow = "      shadow: {model: z, share: 0.5}\n"
    loaded = load_with_places(write(tmp_path, a=f"routing:\n  rules:\n{rule}{shadow}"))
    lines = [str(reason) for reason in explain(loaded, Question(Facts(), {}, Request("gpt-4o")))]
    assert "split s shares runs: old 0.9, new 0.1 (a.yaml:9)" in lines
    assert "0.5 of the runs are copied to z (a.yaml:11)" in lines


RULES = """delivery: buffered
hold: {queue: letters, deadline: 1h}
tools:
  default: allow
  rules:
    - {tool: refund, at: called, action: hold, when: "arguments.usd > 100"}
    - {tool: shell, action: deny}
"""  # lines 4 to 10


def test_a_tool_and_its_hold_name_their_rule(tmp_path: Path) -> None:
    loaded = load_with_places(write(tmp_path, default=RULES))
    recorded = (Tool("refund", "called", "hold", "rules[0]"), Tool("lookup", "offered", "allow", "default"))
    by_hand = (Tool("refund", arguments={"usd": 500}), Tool("refund", arguments={"usd": 5}), Tool("shell", "offered"))
    asked = Question(Facts(), {}, tools=(*recorded, *by_hand), decided=("hold", "tools.rules[0]"))
    lines = [str(reason) for reason in explain(loaded, asked)]
    for line in (
        "the tool refund, called, was held for review: tools.rules[0] (default.yaml:9)",
        "the tool lookup, offered, was allowed: tools.default (default.yaml:7)",
        "the tool refund, called, is held for review: tools.rules[0] (default.yaml:9)",
        "the tool refund, called, is allowed: tools.default (default.yaml:7)",
        "the tool shell, offered, is denied: tools.rules[1] (default.yaml:10)",
        "the verdict was hold: tools.rules[0] (default.yaml:9)",
    ):
        assert line in lines, lines


def test_a_stop_is_no_rule_of_a_file(tmp_path: Path) -> None:
    loaded = load_with_places(write(tmp_path, default=RULES))
    lines = [str(reason) for reason in explain(loaded, Question(Facts(), {}, decided=("hold", "stopped")))]
    assert "the verdict was hold: the automation was stopped by a person (no file)" in lines
