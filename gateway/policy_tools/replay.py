"""What a candidate policy would have done to recorded calls, judged by the features that their records keep."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.policy_tools.replay_base import Effect, Replayed, Row, Trees, against_base
from gateway.policy_tools.replay_verdict import WITHHELD, verdict
from policy.estimate import CHARS_PER_TOKEN, Shares, measuring
from policy.model import FACT_NAMES, Facts, Policy, Ungoverned
from policy.prices import cost_usd
from policy.prompts import Key, decide_prompt
from policy.providers import split_model
from policy.routing import Choice, Request, route, unmeasured
from policy.tool_rules import decide_tool
from policy.usage import BUCKETS, Usage
from redaction.rules import RuleBook

_ROUNDING: Final = 0.0051  # scores come rounded to two places
_CEILINGS: Final = frozenset({"rate_limit_exceeded", "budget_exceeded", "price_unknown", "limits_unavailable"})
_ASKED: Final = frozenset({
    "content_blocked", "prompt_not_allowed", "tool_not_allowed", "tool_call_withheld", "no_route", "ungoverned",
}) | _CEILINGS  # fmt: skip


def replay(trees: Trees, row: Row) -> Replayed:
    """Judge one group."""
    done = Replayed(cost_usd=row["cost_usd"])
    facts = Facts(*(row[name] for name in FACT_NAMES))
    labels = _labels(row)
    try:
        bound = trees.candidate.bind(facts, labels)
    except Ungoverned:
        return _ended(done, row, "ungoverned")
    if row["policy"] is None:
        done.effects.append(Effect("refusal", "ungoverned", "governed"))
        done.unknown.append("what calls would have cost that no policy governed")
        return done
    if row["policy"] != bound.name:
        done.effects.append(Effect("policy", row["policy"], bound.name))
    base = against_base(done, trees, row, bound, (facts, labels))
    judged = _Judged(trees, row, bound.policy, facts, labels)
    judged.into(done)
    verdict(done, row, (base, bound.policy), judged.held_by)
    return done


@dataclass(frozen=True, slots=True)
class _Judged:
    """One group under one candidate policy, in the order of the pipeline."""

    trees: Trees
    row: Row
    policy: Policy
    facts: Facts
    labels: Mapping[str, str]

    def into(self, done: Replayed) -> Replayed:
        """Add what would be otherwise."""
        before = self.refused
        if before in _CEILINGS:
            return done  # ceilings are judged over time, not call by call
        after = self._prompt(done) or self._offered(done) or self._redacted(done)
        choice = None if after or self.sent_nowhere else self._choice(done)
        if choice is not None and not choice.models:
            after = "no_route"
        if after is None and self.sent_nowhere and before is not None:
            after = before if before in ("no_route", "tool_call_withheld") else None
            if after is None:
                done.unknown.append(f"what calls would have done after {before}, which would no longer refuse them")
        if after is None:
            after = self._called(done)
        if after != before:
            return _ended(done, self.row, after)
        if choice is not None and after is None:
            self._routed(done, choice)
        return done

    @property
    def refused(self) -> str | None:
        """The policy's own refusal of these calls, if they were refused."""
        code = self.row["error_code"]
        return code if code in _ASKED else None

    @property
    def sent_nowhere(self) -> bool:
        """Whether these calls ended before a model was chosen, or were answered without one."""
        refused = self.row["outcome"] == "refused" and self.row["error_code"] not in WITHHELD
        return refused or self.row["provider"] is None

    def _prompt(self, done: Replayed) -> str | None:
        said = _json(self.row["prompt"])
        registered = self.trees.candidate.prompts
        if said is None and self.labels.get("prompt") and self.policy.prompts:
            name, _, version = self.labels["prompt"].partition("@")
            said = {"id": name, "version": int(version) if version.isdecimal() else 0}
        key = Key(said["id"], said["version"]) if said and "id" in said else None
        return "prompt_not_allowed" if decide_prompt(self.policy.prompts, key, registered) == "block" else None

    def _offered(self, done: Replayed) -> str | None:
        rows = _json(self.row["tools"]) or []
        if self.policy.tools is None:
            return None
        if not rows and "tools" in (_json(self.row["features"]) or {}).get("needs", ()):
            done.unknown.append("which tools were offered: their policy had no rules for tools")
        decided = (
            decide_tool(self.policy.tools, name, "offered", self.facts)
            for place, name, *_ in rows
            if place == "offered"
        )
        return "tool_not_allowed" if any(each.action != "allow" for each in decided) else None

    def _called(self, done: Replayed) -> str | None:
        rows = [row for row in _json(self.row["tools"]) or [] if row[0] == "called"]
        if self.policy.tools is None or not rows:
            return None
        if self._by_arguments:
            done.unknown.append("the arguments of tools that the model called, which `when` looks at")
            return self.refused if self.refused == "tool_call_withheld" else None
        decided = [decide_tool(self.policy.tools, name, "called", self.facts) for _, name, *_ in rows]
        return "tool_call_withheld" if any(each.action == "deny" for each in decided) else None

    @property
    def held_by(self) -> str | None:
        """The rule that holds a tool which the model called; with conditions on arguments, the recorded one."""
        rows = [row for row in _json(self.row["tools"]) or [] if row[0] == "called"]
        if self.policy.tools is None or not rows:
            return None
        if self._by_arguments:
            said = str(self.row["verdict_rule"] or "")
            return said.removeprefix("tools.") if said.startswith("tools.") else None
        decided = (decide_tool(self.policy.tools, name, "called", self.facts) for _, name, *_ in rows)
        return next((each.rule for each in decided if each.action == "hold"), None)

    @property
    def _by_arguments(self) -> bool:
        return self.policy.tools is not None and any(rule.when for rule in self.policy.tools.rules)

    def _redacted(self, done: Replayed) -> str | None:
        """Judge every finding again; a kind that was blocked is a finding as well."""
        book = RuleBook(self.policy.redaction)
        blocked = None
        for finding in self.row["findings"] or ():
            site, kind, score, before = finding.split("|")
            after = _action(book, site, kind, float(score), before)
            if after != before:
                done.effects.append(Effect("redaction", f"{kind} {before}", f"{kind} {after}"))
            if after == "block" and not site.startswith("answer"):
                blocked = "content_blocked"
        kind = self.row["blocked_kind"]
        if kind is not None and _could_block(book, kind):
            blocked = "content_blocked"
        return blocked

    def _choice(self, done: Replayed) -> Choice | None:
        routing = self.policy.routing
        model = self.row["model_requested"]
        if not routing.rules and not routing.candidates:
            return Choice((model,), "unmatched")
        features = _json(self.row["features"])
        if features is None:
            done.unknown.append("routes of calls recorded before their features were kept")
            return None
        recorded = _json(self.row["route"]) or {}
        request = Request(
            model=model,
            endpoint=self.row["endpoint"],
            stream=bool(self.row["stream"]),
            input_tokens=(self.row["request_chars"] or 0) // CHARS_PER_TOKEN,
            max_output_tokens=features["max_output_tokens"],
            messages=features["messages"],
            needs=frozenset(features["needs"]),
            run=self.row["run_id"] or "",
            facts=self.facts,
            labels=self.labels,
            shares=self._shares(done, recorded),
        )
        learned = self._learned(done, recorded) if routing.learns else {}
        weighs = routing.by_cost or learned
        tree, at = self.trees.candidate, _at(self.row)
        return route(
            routing, request, measuring(tree, self.trees.provider, request, at, learned) if weighs else unmeasured
        )

    def _shares(self, done: Replayed, recorded: Mapping[str, Any]) -> Mapping[str, float]:
        """Give shares that grew by themselves as they were when the calls were made."""
        shares: dict[str, float] = {}
        for split in self.policy.routing.promoted:
            if split.name != recorded.get("split"):
                done.unknown.append(f"how far split {split.name} would have grown by itself; its declared shares count")
            elif split.promote and recorded["arm"] == split.promote.arm:
                shares[split.key] = recorded["share"]
            else:
                others = sum(arm.share for arm in split.arms if split.promote and arm.name != split.promote.arm)
                own = next((arm.share for arm in split.arms if arm.name == recorded["arm"]), 0.0)
                shares[split.key] = 1 - recorded["share"] * others / own if own else 0.0
        return shares

    def _learned(self, done: Replayed, recorded: Mapping[str, Any]) -> Mapping[str, Shares]:
        """Give the measured quality that stood when the calls were made."""
        known = {model: (quality, override) for model, (quality, override) in (recorded.get("measured") or {}).items()}
        if not known.keys() >= set(self.policy.routing.models):
            done.unknown.append("measured quality of candidates that had none when the calls were made")
        return known

    def _routed(self, done: Replayed, choice: Choice) -> None:
        """Compare where calls go first, and price their tokens there."""
        recorded = _json(self.row["route"])
        before = recorded["candidates"][0] if recorded and recorded["candidates"] else self.row["model_requested"]
        after, copied = choice.models[0], (recorded or {}).get("shadow")
        if copied != choice.shadow:
            done.effects.append(Effect("shadow", copied or "none", choice.shadow or "none"))
            done.unknown.append("what shadow copies would have cost, which no budget counts")
        if after == before and not self._price_moved(before):
            return
        if after != before:
            done.effects.append(Effect("route", before, after))
        tree = self.trees.candidate
        provider, short = split_model(after, tree.providers, self.trees.provider)
        usage = Usage(*(self.row[bucket] or 0 for bucket in BUCKETS))
        done.cost_usd = cost_usd(tree.prices, provider, short, usage, _at(self.row)).usd

    def _price_moved(self, model: str) -> bool:
        if self.row["price_id"] is None:
            return False
        prices = [
            cost_usd(tree.prices, *split_model(model, tree.providers, self.trees.provider), _MILLION, _at(self.row)).usd
            for tree in (self.trees.candidate, self.trees.base)
        ]
        return prices[0] != prices[1]


_MILLION: Final = Usage(*(1_000_000 for _ in BUCKETS))


def _ended(done: Replayed, row: Row, after: str | None) -> Replayed:
    """Note that calls would be refused, or no longer; a refused call costs nothing."""
    before = row["error_code"] if row["error_code"] in _ASKED else None
    if before != after:
        done.effects.append(Effect("refusal", before or "answered", after or "answered"))
    if after is not None and before is None:
        done.cost_usd = 0.0
    if before is not None and after is None:
        done.unknown.append("what calls would have cost that were refused")
    return done


def _action(book: RuleBook, site: str, kind: str, score: float, before: str) -> str:
    rule = book.rule("answer" if site.startswith("answer") else site, kind)
    if rule is None or rule.operator == "keep":
        return "keep"
    if abs(score - rule.min_score) < _ROUNDING and before in ("keep", rule.operator, "observe"):
        return before
    if score < rule.min_score:
        return "keep"
    return "observe" if rule.observe else rule.operator


def _could_block(book: RuleBook, kind: str) -> bool:
    rules = (book.rule(site, kind) for site in ("user", "system", "assistant", "tool", "metadata"))
    return any(rule is not None and rule.operator == "block" and not rule.observe for rule in rules)


def _labels(row: Row) -> dict[str, str]:
    labels = {name: str(value) for name, value in (_json(row["labels"]) or {}).items()}
    return labels | ({"step": row["step"]} if row["step"] else {})


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _at(row: Row) -> datetime:
    return datetime.fromtimestamp(row["last_us"] / 1e6, UTC)
