"""Webhooks of held answers over a socket: signed, tried again, delivered anew on demand, never to private addresses."""

import asyncio
import base64
from typing import Any

import pytest

from gateway.control import deliveries
from gateway.control.database import Database
from gateway.control.identity.roles import Identity
from gateway.control.leases import Lease
from gateway.control.outbox import unrelayed
from gateway.control.reviews import CONTENT, Decision, decide, open_review
from gateway.holds.texts import REVIEWS, Kept, ReviewTexts
from gateway.keeper.webhooks import WAITS_S, PublicOnly, Webhooks, signature
from gateway.sealer import Sealer
from metrics.record.master import MasterKey
from tests.contract.control.clock import Clock
from tests.contract.control.test_reviews import ANN, review
from tests.unit.gateway_control.conftest import clock, database
from tests.upstream import Upstream, reply, running_upstream

__all__ = ["clock", "database"]
SECRET = b"s" * 24
LEASE = Lease("keeper", "test", 1, 0)
KEPT = Kept({"messages": []}, {"choices": [{"message": {"content": "To [EMAIL_abcdef]."}}]}, None, {}, [], [])


@pytest.fixture
def by() -> Identity:
    return Identity(ANN.holder, "default", ANN.roles)


def decided(database: Database, clock: Clock, by: Identity) -> ReviewTexts:
    texts = ReviewTexts(database, Sealer(MasterKey(b"m" * 32), REVIEWS))
    made = review("rev_1", clock, tenant="default", url_env="HOOK_URL", secret_env="HOOK_SECRET")
    open_review(database, made, texts.seal(made, CONTENT, KEPT))
    decide(database, by, "rev_1", Decision("approved"))
    return texts


def hooks(texts: ReviewTexts, url: str, *private: str) -> Webhooks:
    secret = f"whsec_{base64.b64encode(SECRET).decode()}"
    return Webhooks(texts.database, texts, {"HOOK_URL": url, "HOOK_SECRET": secret}, frozenset(private))


def deliver(webhooks: Webhooks) -> int:
    return asyncio.run(webhooks.deliver(LEASE))


def told(database: Database) -> list[Any]:
    return [event.body for _, event in unrelayed(database) if event.kind == "review.webhook"]


def test_a_delivery_is_signed_tried_again_and_delivered_anew(database: Database, clock: Clock, by: Identity) -> None:
    texts = decided(database, clock, by)
    with running_upstream() as receiver:
        receiver.scripts.append(reply({}, 503))
        receiver.default = lambda _request: reply({})
        webhooks = hooks(texts, f"http://127.0.0.1:{receiver.port}/hook", "127.0.0.1")
        assert (deliver(webhooks), deliver(webhooks)) == (1, 0)
        clock.advance(WAITS_S[0])
        assert (deliver(webhooks), deliver(webhooks)) == (1, 0)
        deliveries.redeliver(database, by, "rev_1")
        assert deliver(webhooks) == 1
        _signed(receiver)
    assert [(body["delivered"], body["status"]) for body in told(database)] == [(True, "200"), (True, "200")]


def _signed(receiver: Upstream) -> None:
    ids = {request.headers["webhook-id"] for request in receiver.received}
    assert (len(receiver.received), len(ids)) == (3, 1)
    request = receiver.received[1]
    at = request.headers["webhook-timestamp"]
    assert request.headers["webhook-signature"] == signature(SECRET, ids.pop(), at, request.body)
    assert request.json["type"] == "review.decided"
    assert request.json["data"]["review_id"] == "rev_1"
    told = request.json["data"]
    assert (told["answer"], told["hold"], told["step"]) == (KEPT.answer, "/v1/holds/rev_1", "draft")


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == expected


def test_a_receiver_that_is_away_is_given_up_in_the_end(database: Database, clock: Clock, by: Identity) -> None:
    webhooks = hooks(decided(database, clock, by), "http://127.0.0.1:1/hook", "127.0.0.1")
    for wait_s in (*WAITS_S, 0):
        assert deliver(webhooks) == 1
        clock.advance(wait_s)
    assert deliver(webhooks) == 0
    assert told(database)[0]["delivered"] is False


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x", "https://169.254.169.254/",
     "https://[::ffff:127.0.0.1]/", "ftp://example.com/", "file:///etc/passwd", "https://[bad/x",
     f"https://{'a' * 70}.example.com/"],
)  # fmt: skip
def test_nothing_is_sent_inwards(database: Database, clock: Clock, by: Identity, url: str) -> None:
    assert deliver(hooks(decided(database, clock, by), url)) == 1
    assert told(database)[0]["status"] == "address_refused"


@pytest.mark.parametrize("url", ["https://localhost/x", "http://127.0.0.1:1/x"])
def test_what_may_be_reached_later_is_tried_again(database: Database, clock: Clock, by: Identity, url: str) -> None:
    assert deliver(hooks(decided(database, clock, by), url, "127.0.0.1")) == 1
    assert deliveries.due(database, 1) == []
    clock.advance(WAITS_S[0])
    [again] = deliveries.due(database, 1)
    assert again.tries == 1


@pytest.mark.parametrize(
    ("url", "secret", "cause"),
    [("", "whsec_x", "url_unset"), ("https://example.com/", "", "secret_unset"),
     ("https://example.com/", "schl\u00fcssel", "secret_refused"),
     ("https://example.com/", "whsec_c2hvcnQ=", "secret_refused")],
)  # fmt: skip
def test_what_is_not_set_up_is_said_once_and_delivered_when_it_is(
    database: Database, clock: Clock, by: Identity, url: str, secret: str, cause: str
) -> None:
    texts = decided(database, clock, by)
    assert deliver(Webhooks(database, texts, {"HOOK_URL": url, "HOOK_SECRET": secret})) == 1
    clock.advance(WAITS_S[-1])
    assert deliveries.due(database, 1) == []
    assert [(body["delivered"], body["status"]) for body in told(database)] == [(False, cause)]
    deliveries.redeliver(database, by, "rev_1")
    with running_upstream() as receiver:
        receiver.default = lambda _request: reply({})
        deliver(hooks(texts, f"http://127.0.0.1:{receiver.port}/hook", "127.0.0.1"))
    assert told(database)[-1]["delivered"] is True


def test_names_of_private_addresses_are_refused_when_they_are_resolved() -> None:
    async def resolve(*private: str) -> int:
        resolver = PublicOnly(frozenset(private))
        try:
            return len(await resolver.resolve("localhost", 80))
        finally:
            await resolver.close()

    with pytest.raises(OSError, match="no public address"):
        asyncio.run(resolve())
    assert asyncio.run(resolve("localhost")) >= 1
