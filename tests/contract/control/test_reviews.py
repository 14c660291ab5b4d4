"""Reviews on both databases: decided once, by whom it may be, in time, and each change leaves its event."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.control import schema_reviews, sealed
from gateway.control.database import Database
from gateway.control.errors import Conflict, ControlError, InvalidInput, NotAllowed, NotFound
from gateway.control.housekeeping import sweep
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import Identity, local_operator, write_roles
from gateway.control.identity.users import create_user
from gateway.control.outbox import unrelayed
from gateway.control.reviews import (
    CONTENT,
    Decision,
    Filter,
    Review,
    assign,
    comment,
    decide,
    expire,
    find,
    listed,
    open_review,
    reveal,
)
from tests.contract.control.clock import SECOND_US, Clock

ANN, BEN = (Identity(f"usr_{name}", "acme", frozenset({"reviewer"})) for name in ("ann", "ben"))
VIEWER = Identity("usr_eve", "acme", frozenset({"viewer"}))


def review(name: str, clock: Clock, **more: object) -> Review:
    base = Review(
        name, "acme", "hold", "leads", "support", f"call_{name}", "run-1", "draft", "key_1", "chat.completions",
        "p@abc", "bands[1]", 0.4, 0.6, self_approval=False, at_deadline="reject",
        deadline_us=clock() + 3600 * SECOND_US, keep_days=30,
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def opened(database: Database, name: str, clock: Clock, **more: object) -> Review:
    made = review(name, clock, **more)
    open_review(database, made, b"sealed")
    return made


def kinds(database: Database) -> list[str]:
    return [event.kind for _, event in unrelayed(database)]


def test_a_review_is_decided_once_and_its_outcomes_are_recorded(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock)
    done = decide(database, ANN, "rev_1", Decision("approved", "correct"))
    assert (done.state, done.output, done.decided_by, done.reason) == ("approved", "answer", "usr_ann", "correct")
    with pytest.raises(Conflict):
        decide(database, BEN, "rev_1", Decision("rejected"))
    events = [event for _, event in unrelayed(database)]
    assert [event.kind for event in events] == ["review.opened", "review.decided", "outcome", "outcome"]
    said = {event.body["metric"]: event.body["value"] for event in events if event.kind == "outcome"}
    assert said == {"success": True, "override": False}
    assert {event.body["call_id"] for event in events} == {"call_rev_1"}


def test_of_many_who_try_at_once_one_decides(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock)

    def attempt(number: int) -> bool:
        wish = Decision("approved") if number % 2 else Decision("edited", edit=b"sealed edit")
        try:
            decide(database, replace(ANN, holder=f"usr_{number}"), "rev_1", wish)
        except ControlError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert kinds(database).count("review.decided") == 1


def test_the_edit_is_kept_and_counts_as_an_override(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock, subject_ref="ref-9")
    done = decide(database, ANN, "rev_1", Decision("edited", "wrong_facts", b"sealed edit", b"sealed note"))
    assert (done.state, done.output) == ("edited", "edit")
    kept = sealed.get(database, "acme", "review.output", "rev_1")
    assert kept is not None
    assert (kept.ciphertext, kept.subject_ref) == (b"sealed edit", "ref-9")
    assert len(sealed.below(database, "acme", "review.note", "rev_1.")) == 1
    overridden = [e for _, e in unrelayed(database) if e.body.get("metric") == "override"]
    assert (overridden[0].body["value"], overridden[0].body["corrected"], overridden[0].actor) == (
        True,
        True,
        "usr_ann",
    )


def test_deadlines_are_kept(database: Database, clock: Clock) -> None:
    for name, action in (("rev_1", "reject"), ("rev_2", "release"), ("rev_3", "fallback"), ("rev_4", "none")):
        opened(database, name, clock, at_deadline=action)
    opened(database, "rev_5", clock, deadline_us=clock() + 7200 * SECOND_US)
    assert expire(database) == 0
    clock.advance(3600)
    with pytest.raises(Conflict):
        decide(database, ANN, "rev_1", Decision("approved"))  # too late, though the keeper was not here yet
    assert expire(database) == 4
    assert expire(database) == 0
    with database.read() as conn:
        outputs = [find(conn, "acme", f"rev_{n}").output for n in (1, 2, 3, 4, 5)]
    assert outputs == ["none", "answer", "fallback", "none", "none"]
    assert kinds(database).count("review.decided") == 4
    assert "outcome" not in kinds(database)


def test_nobody_approves_what_a_key_of_their_own_asked_for(database: Database, clock: Clock) -> None:
    admin = local_operator("acme")
    owner = replace(admin, holder="usr_ann", roles=frozenset({"admin", "reviewer"}))
    _, key = create_key(database, "acme", KeySpec(name="k"), owner)
    opened(database, "rev_1", clock, key_id=key.key_id)
    opened(database, "rev_2", clock, key_id=key.key_id, self_approval=True)
    with pytest.raises(NotAllowed):
        decide(database, ANN, "rev_1", Decision("approved"))
    decide(database, ANN, "rev_2", Decision("approved"))
    decide(database, BEN, "rev_1", Decision("approved"))


@pytest.mark.parametrize("kind", ["hold", "audit"])
def test_the_named_owner_of_a_key_made_at_the_command_line_does_not_approve(
    database: Database, clock: Clock, kind: str
) -> None:
    admin = local_operator("acme")
    ann = create_user(database, "acme", "ann@example.com", ["reviewer"], admin)
    _, key = create_key(database, "acme", KeySpec(owner="Ann@example.com"), admin)
    opened(database, "rev_1", clock, key_id=key.key_id, kind=kind)
    for verdict in (Decision("approved"), Decision("edited", edit=b"sealed edit")):
        with pytest.raises(NotAllowed):
            decide(database, replace(ANN, holder=ann.user_id), "rev_1", verdict)
    decide(database, BEN, "rev_1", Decision("approved"))
    with pytest.raises(InvalidInput, match="owner"):
        create_key(database, "acme", KeySpec(owner="nobody@example.com"), admin)


def test_who_may_do_what(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock)
    with pytest.raises(NotAllowed):
        decide(database, VIEWER, "rev_1", Decision("approved"))
    with pytest.raises(NotAllowed):
        reveal(database, ANN, "rev_1")
    with pytest.raises(NotFound):
        decide(database, replace(ANN, tenant="other"), "rev_1", Decision("approved"))
    reveal(database, replace(ANN, roles=frozenset({"auditor"})), "rev_1")
    comment(database, ANN, "rev_1", b"sealed note")
    with database.write() as tx:
        write_roles(tx, "acme", "usr_ben", frozenset({"reviewer"}), "local")
        write_roles(tx, "acme", "usr_eve", frozenset({"viewer"}), "local")
    assert assign(database, ANN, "rev_1", "usr_ben").assignee == "usr_ben"
    user = create_user(database, "acme", "cleo@example.com", ["reviewer"], local_operator("acme"))
    assert assign(database, ANN, "rev_1", "Cleo@example.com").assignee == user.user_id
    assert assign(database, ANN, "rev_1", None).assignee is None
    for nobody in ("usr_eve", "maria@example.com", ""):  # a word of a reviewer's own is not put on the record
        with pytest.raises(InvalidInput):
            assign(database, ANN, "rev_1", nobody)
    handed = ["review.assigned", "user.created", "roles.changed", "review.assigned", "review.assigned"]
    assert kinds(database)[1:] == ["review.revealed", "review.commented", *["roles.changed"] * 2, *handed]


def test_the_most_urgent_come_first(database: Database, clock: Clock) -> None:
    soon = clock() + 60 * SECOND_US
    opened(database, "rev_late", clock)
    opened(database, "rev_safe", clock, deadline_us=soon, risk=0.1)
    opened(database, "rev_risky", clock, deadline_us=soon, risk=0.9, queue="seniors")
    opened(database, "rev_other", clock, tenant="other")
    assert [each.review_id for each in listed(database, "acme", Filter())] == ["rev_risky", "rev_safe", "rev_late"]
    assert [each.review_id for each in listed(database, "acme", Filter(queue="seniors"))] == ["rev_risky"]
    decide(database, ANN, "rev_safe", Decision("rejected"))
    assert len(listed(database, "acme", Filter())) == 2
    clock.advance(1)
    decide(database, ANN, "rev_late", Decision("rejected"))
    in_turn = [each.review_id for each in listed(database, "acme", Filter(state=None))]
    assert in_turn == ["rev_risky", "rev_late", "rev_safe"]  # what waits, then the latest decisions
    assert [each.review_id for each in listed(database, "acme", Filter(state=None, limit=1))] == ["rev_risky"]


def test_a_decision_with_a_webhook_leaves_one_delivery(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock, url_env="HOOK_URL", secret_env="HOOK_SECRET")
    decide(database, ANN, "rev_1", Decision("rejected"))
    with database.read() as conn:
        rows = conn.execute(select(schema_reviews.deliveries)).mappings().all()
    assert [(row["review_id"], row["tries"], row["next_us"] is not None) for row in rows] == [("rev_1", 0, True)]


def test_texts_expire_with_the_retention_of_reviews(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock, keep_days=2)
    clock.advance(2 * 24 * 3600 - 1)
    assert sealed.get(database, "acme", CONTENT, "rev_1") is not None
    clock.advance(2)
    assert sealed.get(database, "acme", CONTENT, "rev_1") is None


def test_decided_reviews_are_forgotten_when_their_texts_are(database: Database, clock: Clock) -> None:
    opened(database, "rev_1", clock, keep_days=2, url_env="U", secret_env="S")
    opened(database, "rev_2", clock, keep_days=2, deadline_us=clock() + 10 * 24 * 3600 * SECOND_US)
    decide(database, ANN, "rev_1", Decision("approved"))
    clock.advance(2 * 24 * 3600 + 1)
    assert sweep(database)["reviews"] == 1
    assert [each.review_id for each in listed(database, "acme", Filter(state=None))] == ["rev_2"]
