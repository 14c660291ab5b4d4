"""`sluice redact verify` on a real product: a policy that holds is clean, one that does not is found out everywhere."""

from pathlib import Path

from gateway.verify.hunt import Haystack
from gateway.verify.run import summary, verify
from policy.load import load_tree
from policy.model import Policy
from tests.product import ROOT

HEAD = {"policy": "p", "schema": 1, "owner": "tests@example.com"}


def test_the_shipped_default_lets_nothing_out(tmp_path: Path) -> None:
    report = verify(load_tree(ROOT / "policies").policies["default"], tmp_path, seed=1)
    assert report.clean, (report.leaks, report.failed)
    assert len(report.planted) > 700
    assert {row["restored"] for row in summary(report)} <= {"4/4", "2/2"}


def test_a_policy_that_finds_nothing_is_found_out_at_every_place(tmp_path: Path) -> None:
    blind = {"contact": {"operator": "pseudonym", "min_score": 1.0}}
    policy = Policy.model_validate({**HEAD, "redaction": {"request": blind, "answer": {}}})
    report = verify(policy, tmp_path, seed=2)
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
