"""Legal holds: set and lifted with an event each, above retention and above erasure."""

from pathlib import Path

import pytest

from gateway.control import housekeeping, legal_holds, outbox, sealed
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gateway.control.identity.roles import Identity
from gateway.control.sealed import SealedItem
from gateway.trust.retaining import rules_of
from gateway.trust.subjects import Wanted
from metrics.proof.retention import LegalHold
from policy.load import load_tree
from tests.integration.metrics.support import TS
from tests.integration.trust.test_subjects import ADMIN, House, house
from tests.unit.policy.trees import write

__all__ = ["house"]


def test_a_hold_is_set_listed_and_lifted_with_an_event_each(house: House) -> None:
    made = legal_holds.set_hold(house.database, ADMIN, LegalHold("acme", automation="triage"), "case-1")
    with house.database.read() as conn:
        assert legal_holds.in_force(conn, "acme") == [LegalHold("acme", automation="triage")]
        assert legal_holds.in_force(conn, "other") == []
    lifted = legal_holds.lift(house.database, ADMIN, made.hold_id)
    assert lifted.lifted_by == "local"
    assert legal_holds.listed(house.database, ADMIN) == [lifted]
    told = [event.kind for _, event in outbox.unrelayed(house.database) if event.kind.startswith("legal_hold")]
    assert told == ["legal_hold.set", "legal_hold.lifted"]
    with pytest.raises(NotFound):
        legal_holds.lift(house.database, ADMIN, made.hold_id)
    with pytest.raises(InvalidInput, match="is about a subject"):
        legal_holds.set_hold(house.database, ADMIN, LegalHold("acme"), "case-2")
    with pytest.raises(NotAllowed):
        legal_holds.set_hold(house.database, Identity("u", "acme", frozenset({"viewer"})), LegalHold("acme"), "x")


@pytest.mark.parametrize("scope", ["subject", "automation", "range"])
def test_what_is_held_is_not_erased(house: House, scope: str) -> None:
    ref = house.subjects.keystore.find_subject("acme", "anna")
    hold = {
        "subject": LegalHold("acme", subject_ref=ref),
        "automation": LegalHold("acme", automation="triage"),
        "range": LegalHold("acme", since_us=TS, until_us=TS + 1),
    }[scope]
    made = legal_holds.set_hold(house.database, ADMIN, hold, "case-1")
    with pytest.raises(Conflict, match="legal hold"):
        house.subjects.erasable(ADMIN, Wanted("anna"))
    if scope == "subject":
        assert house.subjects.erasable(ADMIN, Wanted("ben")).subject_refs
    legal_holds.lift(house.database, ADMIN, made.hold_id)
    assert house.subjects.erasable(ADMIN, Wanted("anna")).subject_refs == (ref,)


def test_sealed_items_that_are_held_outlive_their_time(house: House) -> None:
    with house.database.write() as tx:
        for name in ("held", "other"):
            sealed.put(tx, "acme", SealedItem("response", name, b"x", None, 1, name))
        sealed.put(tx, "acme", SealedItem("cache", "copy", b"x", None, 1, "held"))
    made = legal_holds.set_hold(house.database, ADMIN, LegalHold("acme", automation="held"), "case-1")
    assert housekeeping.sweep(house.database)["sealed"] == 2, "copies of answers are not held"
    legal_holds.lift(house.database, ADMIN, made.hold_id)
    by_policy = (LegalHold(None, automation="held"),)
    assert housekeeping.sweep(house.database, by_policy)["sealed"] == 0
    assert housekeeping.sweep(house.database)["sealed"] == 1


def test_policies_say_how_long_and_what_is_held(tmp_path: Path) -> None:
    text = "applies_to: {automation: triage}\nretention: {metadata: 200d, review: 500d, legal_hold: true}\n"
    rules = rules_of(load_tree(write(tmp_path, a=text, b="")), [])
    assert [(rule.applies_to, rule.metadata) for rule in rules.rules] == [({"automation": ["triage"]}, 200), ({}, 400)]
    assert rules.longest == 500
    assert rules.all_holds() == (LegalHold(None, automation="triage"),)
