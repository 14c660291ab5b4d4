"""Labels only ever tighten: whatever is added, in whatever order, nothing gets looser."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.kinds import GROUPS
from policy.model import Facts, Policy
from policy.prices import PriceList
from policy.providers import ProviderList
from policy.rules import SITES, min_score, rule_for
from policy.snapshot import Contents, Entry, Snapshot
from policy.stricter import MEDIA, NAMES, OPERATORS, tightened
from policy.tighten import Stricter

KINDS = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "PERSON", "ORDER_NUMBER")
NAMED = st.sampled_from((*KINDS, "contact", "finance", "identity", "names"))
SHARES = st.sampled_from((0.1, 0.3, 0.45, 0.6, 0.9))
DAYS = st.sampled_from(("1d", "30d", "90d"))


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(st.sampled_from(OPERATORS))
    rule: dict[str, Any] = {"operator": operator, "enforce": draw(st.sampled_from(("on", "observe")))}
    if draw(st.booleans()):
        rule["min_score"] = draw(SHARES)
    if operator == "mask":
        rule["keep_last"] = draw(st.integers(0, 4))
    return rule


TABLES = st.dictionaries(NAMED, rules(), max_size=4)
PROFILES = st.lists(st.sampled_from(("gdpr", "pci", "glba")), max_size=2, unique=True)


@st.composite
def redactions(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "min_score": draw(SHARES), "names": draw(st.sampled_from(NAMES)), "media": draw(st.sampled_from(MEDIA)),
        "on_failure": draw(st.sampled_from(("block", "pass"))), "restore": draw(st.sampled_from(("caller", "never"))),
        "profiles": draw(PROFILES), "request": draw(TABLES), "answer": draw(TABLES),
        "sites": {site: draw(TABLES) for site in draw(st.sets(st.sampled_from(SITES), max_size=2))},
        "allow": draw(st.lists(st.sampled_from(("v", "w")), unique=True)),
    }  # fmt: skip


def optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


WISHES = optional(
    redaction=optional(
        on_failure=st.just("block"),
        min_score=SHARES,
        names=st.sampled_from(NAMES),
        media=st.sampled_from(MEDIA),
        restore=st.just("never"),
        profiles=PROFILES,
        request=TABLES,
        answer=TABLES,
        deny=st.just({"PERSON": ["v"]}),
    ),
    retention=optional(content=DAYS, review=DAYS, automation=DAYS),
    routing=optional(regions=st.lists(st.sampled_from(("eu", "us", "ch")), max_size=2), min_quality=SHARES),
    delivery=st.just("buffered"),
    failure=st.just({"log": "block"}),
    logging=optional(request=st.just("none"), answer=st.just("none"), provider=st.just("none")),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    labels = ("a", "b", "c")
    return Policy.model_validate({
        "policy": "p", "schema": 1, "owner": "o", "delivery": "buffered",
        "redaction": draw(redactions()),
        "retention": {"content": draw(DAYS), "automation": draw(DAYS)},
        "routing": {"constraints": draw(optional(regions=st.just(["eu", "us"]), min_quality=SHARES))},
        "logging": {"provider": draw(st.sampled_from(("none", "caller")))},
        "tighten": [{"when": {label: "yes"}, **draw(WISHES)} for label in labels],
    })  # fmt: skip


def strictness(policy: Policy) -> list[float]:
    """Give numbers of which none may fall when a policy gets stricter."""
    redaction = policy.redaction
    numbers: list[float] = [
        NAMES.index(redaction.names),
        MEDIA.index(redaction.media),
        redaction.on_failure == "block",
        redaction.restore == "never",
        -len(redaction.allow),
        len(redaction.profiles),
        -redaction.min_score,
        policy.delivery == "buffered",
        policy.failure.log == "block",
        policy.logging.request == "none",
        policy.logging.answer == "none",
        policy.logging.provider == "none",
        *(
            -each / timedelta(days=1)
            for each in (policy.retention.content, policy.retention.review, policy.retention.automation)
        ),
        policy.routing.constraints.min_quality or 0,
        -len(policy.routing.constraints.regions) if policy.routing.constraints.regions is not None else -99,
    ]
    every = sorted({*KINDS, *(kind for group in GROUPS.values() for kind in group)})
    for kind in every:
        numbers.extend(_rule(policy, "answer", kind, None))
        for site in (None, *SITES):
            numbers.extend(_rule(policy, "request", kind, site))
    return numbers


def _rule(policy: Policy, direction: Any, kind: str, site: str | None) -> list[float]:
    rule = rule_for(policy.redaction, direction, kind, site)
    if rule is None:
        return [-1, -1, -2, -99]
    operator = OPERATORS.index(rule.operator)
    readable = {"keep": 99, "mask": rule.keep_last}.get(rule.operator, 0)
    return [operator, rule.enforce == "on", -min_score(policy.redaction, rule), -readable]


def snapshot_of(policy: Policy) -> Snapshot:
    return Snapshot.build(Contents((Entry("p.yaml", policy),), ProviderList(schema_=1), PriceList(schema_=1)))


LABELS = st.sets(st.sampled_from(("a", "b", "c", "other")))


@settings(max_examples=60)
@given(policies(), LABELS, LABELS)
def test_adding_labels_never_loosens(policy: Policy, some: set[str], more: set[str]) -> None:
    snapshot = snapshot_of(policy)
    few = snapshot.bind(Facts(), dict.fromkeys(some, "yes")).policy
    many = snapshot.bind(Facts(), dict.fromkeys(some | more, "yes")).policy
    assert all(now >= before for before, now in zip(strictness(few), strictness(many), strict=True))
    assert all(now >= before for before, now in zip(strictness(policy), strictness(few), strict=True))


@settings(max_examples=60)
@given(policies(), WISHES)
def test_a_wish_is_met_and_meeting_it_twice_changes_nothing(policy: Policy, wish: dict[str, Any]) -> None:
    once = tightened(policy, Stricter.model_validate(wish))
    assert tightened(once, Stricter.model_validate(wish)) == once


def test_a_mask_on_a_kind_does_not_loosen_its_groups_block() -> None:
    policy = Policy.model_validate({
        "policy": "p", "schema": 1, "owner": "o",
        "redaction": {"request": {"finance": {"operator": "block"}}, "answer": {}},
        "tighten": [{"when": {"x": "1"}, "redaction": {"request": {"CREDIT_CARD": {"operator": "mask"}}}}],
    })  # fmt: skip
    bound = snapshot_of(policy).bind(Facts(), {"x": "1"})
    rule = rule_for(bound.policy.redaction, "request", "CREDIT_CARD")
    assert rule is not None
    assert rule.operator == "block"
    assert bound.tightened == ("tighten[0]",)


def test_a_fact_of_the_key_tightens_whatever_the_caller_says() -> None:
    policy = Policy.model_validate({
        "policy": "p", "schema": 1, "owner": "o",
        "tighten": [{"when": {"data_class": "health"}, "redaction": {"restore": "never"}}],
    })  # fmt: skip
    snapshot = snapshot_of(policy)
    assert snapshot.bind(Facts(data_class="health"), {"data_class": "public"}).policy.redaction.restore == "never"
    assert snapshot.bind(Facts(), {"data_class": " HEALTH "}).policy.redaction.restore == "never"
    assert snapshot.bind(Facts(), {"data_class": "public"}).policy.redaction.restore == "caller"
