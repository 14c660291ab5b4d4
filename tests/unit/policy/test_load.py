"""Loading a tree: defaults, floors, ties, refusals, each with file, line, column and what to do."""

import os
from pathlib import Path

import pytest

from policy.load import load_tree
from policy.model import Facts
from policy.values import format_duration
from tests.unit.policy.trees import problems, write

SHIPPED = Path(__file__).parents[3] / "policies"


def test_the_shipped_tree_loads_and_governs_every_key() -> None:
    snapshot = load_tree(SHIPPED)
    assert snapshot.bind(Facts(), {}).name == "default"
    assert snapshot.bind(Facts(automation="support-drafting"), {}).name == "support-drafting"
    default = snapshot.policies["default"]
    assert default.redaction.names == "balanced"
    assert default.redaction.request["secrets"].operator == "pseudonym"
    assert default.redaction.answer["contact"].operator == "replace"
    assert (default.redaction.restore, default.delivery, default.failure.log) == ("caller", "live", "block")
    assert format_duration(default.retention.metadata) == "400d"
    assert default.withholds() is None
    assert snapshot.providers["openai"].address({}) == "https://api.openai.com/v1"
    assert snapshot.providers["simulated"].simulated


def test_defaults_fill_what_a_file_does_not_write_key_by_key(tmp_path: Path) -> None:
    defaults = (
        "schema: 1\nredaction:\n  names: strict\n  request:\n    finance: {operator: hash}\n"
        "  language: de\ndelivery: buffered\n"
    )
    write(tmp_path, _defaults=defaults, a="redaction:\n  language: fr\n  request: {contact: {operator: mask}}\n")
    policy = load_tree(tmp_path).policies["a"]
    assert (policy.redaction.names, policy.redaction.language, policy.delivery) == ("strict", "fr", "buffered")
    assert set(policy.redaction.request) == {"contact"}


def test_a_mistake_that_comes_from_the_defaults_points_into_the_defaults(tmp_path: Path) -> None:
    defaults = "schema: 1\nredaction:\n  deny: {PERSON: [Ada]}\n"
    write(tmp_path, _defaults=defaults, a="redaction:\n  allow: [Ada]\n")
    assert problems(tmp_path) == [
        "a.yaml:5:3: redaction.allow: a value stands in `allow` and in `deny.PERSON`; keep one of them"
    ]
    withholding = "schema: 1\nredaction:\n  answer: {PERSON: {operator: block}}\n"
    write(tmp_path, _defaults=withholding, a="delivery: live\n")
    assert problems(tmp_path)[0].startswith("a.yaml:4:1: delivery: `delivery: live` cannot take back")
    write(tmp_path, _defaults="schema: 1\nredaction: {names: loud}\n", a="")
    assert problems(tmp_path)[0].startswith("_defaults.yaml:2:20: redaction.names: this must be 'off', 'balanced'")


BUFFERED = "delivery: buffered\n"
SCORER = "confidence:\n  scorers: [{kind: logprob}]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour: red\n", "a.yaml:4:1: colour: unknown key; remove it"),
        ("retension: {}\n", "a.yaml:4:1: retension: unknown key; did you mean `retention`?"),
        ("retention: {contents: 1d}\n", "a.yaml:4:13: retention.contents: unknown key; did you mean `content`?"),
        ("retention: {automation: 1d, tenant: 1d}\n", "a.yaml:4:29: retention.tenant: unknown key; remove it"),
        ("delivery: later\n", "a.yaml:4:11: delivery: this must be 'live' or 'buffered'"),
        ("redaction: {min_score: off}\n", "a.yaml:4:24: redaction.min_score: this must be a number"),
        (
            "redaction:\n  request:\n    mail: {operator: hash}\n",
            "a.yaml:6:5: redaction.request.mail: this is not written",
        ),
        (
            "redaction:\n  request:\n    PERSON: {}\n",
            "a.yaml:6:5: redaction.request.PERSON.operator: this key is required",
        ),
        ("tighten:\n  - redaction: {}\n", "a.yaml:5:5: tighten[0].when: this key is required; add it"),
        ("redaction: [1]\n", "a.yaml:4:12: redaction: this must be a mapping"),
        ("applies_to: {team: 1.10}\n", "a.yaml:4:20: applies_to.team: this must be a list"),
        (
            "redaction: {answer_names: strict}\n",
            "a.yaml:4:13: redaction.answer_names: names in live answers need a window",
        ),
        (
            "redaction: {window_chars: 80}\n",
            "a.yaml:4:13: redaction.window_chars: `redaction.window_chars` is for names in answers",
        ),
        (
            "tighten:\n  - {when: {a: b}, redaction: {answer_names: strict}}\n",
            "a.yaml:5:32: tighten[0].redaction.answer_names: names",
        ),
        (
            "redaction:\n  answer: {PERSON: {operator: block}}\n",
            "a.yaml:5:12: redaction.answer.PERSON: `delivery: live` cannot take back",
        ),
        ("tools: {default: deny}\n", "a.yaml:4:9: tools.default: `delivery: live` cannot take back"),
        (
            f"{BUFFERED}{SCORER}  bands:\n    - {{at_least: 0, verdict: hold}}\n",
            "a.yaml:8:21: confidence.bands[0].verdict: a",
        ),
        (
            f"{SCORER}  bands:\n    - {{at_least: 0, verdict: pass}}\n  unscored: block\n",
            "a.yaml:8:3: confidence.unscored: `",
        ),
        (
            f"{SCORER}  bands:\n    - {{at_least: 0.5, verdict: pass}}\n",
            "a.yaml:7:8: confidence.bands[0].at_least: the last",
        ),
        (
            f"{BUFFERED}tools:\n  rules:\n    - {{tool: x, action: hold}}\n",
            "a.yaml:7:17: tools.rules[0].action: only a call",
        ),
        (
            "redaction:\n  request:\n    PERSON:\n      operator: hash\n      with: x\n",
            "a.yaml:8:7: redaction.request.PERSON.with: `",
        ),
        ("budget:\n  rules:\n    - {period: day}\n", "a.yaml:6:7: budget.rules[0]: give `usd`, `tokens` or both"),
        ("hold:\n  deadline: 1h\n  reply: fallback\n", "a.yaml:6:3: hold.reply: a fallback needs a template"),
        ("policy: again\n", "a.yaml:4:1: `policy` was already given in line 1; keep one of them"),
    ],
)
def test_every_refusal_has_its_place_and_says_what_to_do(tmp_path: Path, text: str, sentence: str) -> None:
    found = problems(write(tmp_path, a=text))
    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_simple_routing_is_enforced(tmp_path: Path) -> None:
    rule = "    - {models: [gpt-4o], candidates: [{model: openai/gpt-4.1}]}\n"
    text = f"routing:\n  rules:\n{rule}  candidates: [{{model: m}}]\n"
    routing = load_tree(write(tmp_path, a=text)).policies["a"].routing
    assert routing.rules[0].candidates[0].model == "openai/gpt-4.1"


def test_a_floor_cannot_be_undercut_and_the_line_is_named(tmp_path: Path) -> None:
    floors = (
        "schema: 1\nfloors:\n"
        "  - redaction: {on_failure: block, names: balanced, request: {finance: {operator: hash}}}\n"
        "    retention: {content: 60d, at_least: {metadata: 400d}}\n"
    )
    loose = (
        "redaction:\n  on_failure: pass\n  names: off\n  request:\n    finance: {operator: hash}\n"
        "    CREDIT_CARD: {operator: keep}\nretention:\n  content: 90d\n  metadata: 300d\n"
    )
    found = problems(write(tmp_path, _floors=floors, a=loose))
    assert [each.split(": `_floors")[0] for each in found] == [
        "a.yaml:5:15: redaction.on_failure",
        "a.yaml:6:10: redaction.names",
        "a.yaml:9:29: redaction.request.CREDIT_CARD.operator",
        "a.yaml:11:12: retention.content",
        "a.yaml:12:13: retention.metadata",
    ]
    strict = loose.replace("pass", "block").replace("off", "strict").replace("keep", "block").replace("90d", "60d")
    load_tree(write(tmp_path, _floors=floors, a=strict.replace("300d", "400d")))


def test_a_floor_binds_only_policies_that_may_govern_its_facts(tmp_path: Path) -> None:
    floors = "schema: 1\nfloors:\n  - applies_to: {data_class: health}\n    delivery: buffered\n"
    write(tmp_path, _floors=floors, a="applies_to: {data_class: public}\n")
    load_tree(tmp_path)
    write(tmp_path, b="applies_to: {team: x}\n")
    assert problems(tmp_path)[0].startswith("b.yaml:1:1: delivery: `_floors.yaml` (floors[0])")


def test_files_that_tie_for_the_same_calls_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, a="applies_to: {team: [x, y]}\n", b="applies_to: {team: y}\n")
    assert problems(tmp_path) == [
        "b.yaml:4:1: applies_to: a.yaml names as many facts and claims the same calls (team: y); "
        "name another fact in one"
    ]


def test_files_about_other_facts_tie_unless_a_closer_file_takes_the_calls(tmp_path: Path) -> None:
    write(tmp_path, a="applies_to: {team: x}\n", b="applies_to: {automation: m}\n")
    assert "names as many facts" in problems(tmp_path)[0]
    write(tmp_path, c="applies_to: {team: x, automation: m}\n")
    snapshot = load_tree(tmp_path)
    assert snapshot.bind(Facts(team="x", automation="m"), {}).name == "c"
    assert snapshot.bind(Facts(team="x", automation="n"), {}).name == "a"


def test_two_policies_with_one_name_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, a="applies_to: {team: x}\n")
    (tmp_path / "b.yaml").write_text((tmp_path / "a.yaml").read_text().replace("team: x", "team: y"))
    assert problems(tmp_path) == ["b.yaml:1:9: policy: a.yaml has the same name; rename one of the two policies"]


def test_all_problems_of_a_tree_are_listed_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="colour: red\n",
        b="delivery: later\n",
        _floors="schema: 1\nfloor: []\n",
        prices="schema: 1\nprices: 3\n",
    )
    assert [each.split(":")[0] for each in problems(tmp_path)] == ["_floors.yaml", "a.yaml", "b.yaml", "prices.yaml"]


def test_links_devices_and_odd_names_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("policy: o\nschema: 1\nowner: o\n")
    tree = write(tmp_path / "tree", a="")
    (tree / "link.yaml").symlink_to(outside)
    os.mkfifo(tree / "pipe.yaml")
    (tree / "dir.yaml").mkdir()
    (tree / "old.yml").write_text("x: 1\n")
    (tree / "_mine.yaml").write_text("x: 1\n")
    found = problems(tree)
    assert [each.split(":")[0] for each in found] == ["_mine.yaml", "dir.yaml", "link.yaml", "old.yml", "pipe.yaml"]
    assert "symbolic link" in found[2]


def test_other_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a="")
    (tree / ".git").mkdir()
    (tree / "notes").mkdir()
    (tree / "notes" / "x.yaml").write_text("{")
    (tree / "README.md").write_text("hello")
    (tree / ".a.yaml.swp").write_text("{")
    assert list(load_tree(tree).policies) == ["a"]


def test_a_missing_or_empty_folder_is_said(tmp_path: Path) -> None:
    assert "check SLUICE_POLICIES" in problems(tmp_path / "none")[0]
    assert "no policy file" in problems(write(tmp_path / "empty"))[0]


def test_every_cut_of_every_shipped_file_loads_or_is_refused_with_a_place(tmp_path: Path) -> None:
    for shipped in sorted(SHIPPED.glob("*.yaml")):
        raw = shipped.read_bytes()
        tree = tmp_path / shipped.stem
        tree.mkdir()
        for end in range(0, len(raw), 97):
            (tree / shipped.name).write_bytes(raw[:end])
            for sentence in problems(tree):
                assert sentence.split(":")[1].isdigit() or "no policy file" in sentence


@pytest.mark.parametrize(
    ("retention", "sentence"),
    [
        ("{metadata: 30d}", "`eu_ai_act` keeps `metadata` at least 183d"),
        ("{audit: 182d}", "`eu_ai_act` keeps `audit` at least 183d"),
        ("{profiles: [hipaa]}", "`hipaa` keeps `metadata` at least 2192d"),
        ("{profiles: [soc2], review: 30d}", "`soc2` keeps `review` at least 365d"),
        ("{profiles: [gdpr], content: 91d}", "`gdpr` keeps `content` at most 90d"),
    ],
)
def test_a_profile_cannot_be_undercut_in_silence(tmp_path: Path, retention: str, sentence: str) -> None:
    assert f"the profile {sentence}" in problems(write(tmp_path, a=f"retention: {retention}\n"))[0]
    assert problems(tmp_path)[0].startswith("a.yaml:4:")


def test_who_goes_outside_a_profile_says_why(tmp_path: Path) -> None:
    text = 'retention: {metadata: 30d, outside: {metadata: "no high-risk use, DPO 2026-11-02"}, profiles: [gdpr]}\n'
    assert load_tree(write(tmp_path, a=text)).policies["a"].retention.metadata.days == 30
