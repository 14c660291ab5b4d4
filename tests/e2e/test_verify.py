"""`sluice redact verify` on a real product: a policy that holds is clean, one that does not is found out everywhere."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from gateway.verify.echo import Upstream, listening
from gateway.verify.hunt import Haystack
from gateway.verify.product import Target, started
from gateway.verify.run import VerifyError, summary, verify
from policy.load import load_tree
from policy.model import Policy
from tests.product import ROOT

HEAD = {"policy": "p", "schema": 1, "owner": "tests@example.com"}


def test_the_shipped_default_lets_nothing_out(tmp_path: Path) -> None:
    policy = load_tree(ROOT / "policies").policies["default"]
    report = verify(policy, 1, partial(started, policy, tmp_path))
    assert report.clean, (report.leaks, report.failed)
    assert not report.unseen
    assert len(report.planted) > 700
    assert {row["restored"] for row in summary(report)} <= {"4/4", "2/2"}


def test_a_running_product_whose_policy_finds_nothing_is_found_out_at_every_place(tmp_path: Path) -> None:
    blind = {"contact": {"operator": "pseudonym", "min_score": 1.0}}
    policy = Policy.model_validate({**HEAD, "redaction": {"request": blind, "answer": {}}})
    with listening() as free:
        port = free.port
    with started(policy, tmp_path, Upstream(port=port)) as running:

        def product(_: Upstream) -> nullcontext[Target]:
            return nullcontext(running)

        with listening(port), pytest.raises(VerifyError, match="asked somewhere else"):
            verify(policy, 2, product)
        with listening(port), pytest.raises(VerifyError, match="governs this key, not other"):
            verify(policy.model_copy(update={"policy": "other"}), 2, product)
        report = verify(policy, 2, product, port)
    leaks = {(one.site, place) for one, place in report.leaks if one.kind == "EMAIL_ADDRESS"}
    assert {("user", "upstream"), ("key", "upstream"), ("base64", "upstream"), ("user", "content, opened")} <= leaks
    assert not report.clean


def test_values_are_seen_through_encodings() -> None:
    seen = Haystack([b"x=am9obi5kb2VAZXhhbXBsZS5jb20gaXMgaGVyZQ==", b"4111%201111-1111 1111", b"\\u0061nna.berg"])
    assert seen.holds("john.doe@example.com")
    assert seen.holds("4111111111111111")
    assert seen.holds("Anna Berg")
    assert not seen.holds("jane.doe@example.com")
    assert Haystack([b"..bcdefghijklmnopqrst.."]).holds_part("abcdefghijklmnopqrstuvwxyz0123456789")
