"""Checkpoints anchored in an S3-compatible bucket that checks signatures, and as lines of an OTLP collector."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from moto.server import ThreadedMotoServer

from metrics.proof.anchor import anchors_of
from metrics.proof.anchor_remote import AnchorError, Credentials, S3Anchor, signed
from metrics.proof.offline import main
from metrics.record.ids import utc_us
from tests.integration.metrics.otlp_collector import collecting
from tests.unit.metrics.proof.trees import Grown

ALLOWED = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, Credentials]]:
    """A bucket into which one user may put objects, on a server that checks who asks."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    nobody = {"endpoint_url": url, "aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    boto3.client("s3", **nobody).create_bucket(Bucket="anchors")
    iam = boto3.client("iam", **nobody)
    iam.create_user(UserName="sluice")
    document = json.dumps({"Version": "2012-10-17", "Statement": [ALLOWED]})
    iam.put_user_policy(UserName="sluice", PolicyName="put", PolicyDocument=document)
    key = iam.create_access_key(UserName="sluice")["AccessKey"]
    reset = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", {"content-type": "text/plain"}, method="POST")
    urllib.request.urlopen(reset).read()  # from here on signatures are checked
    yield url, Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    server.stop()


def test_each_checkpoint_is_an_object_that_others_can_verify_with(
    bucket: tuple[str, Credentials], tmp_path: Path
) -> None:
    url, by = bucket
    grown, environ = (
        Grown(tmp_path / "data"),
        {"AWS_ACCESS_KEY_ID": by.key_id, "AWS_SECRET_ACCESS_KEY": by.secret},
    )
    (anchor,) = anchors_of(f"s3:{url}/anchors/prod", tmp_path, environ)
    kept = []
    for _ in range(2):
        grown.grow(3)
        grown.auditor.seal()
        assert grown.auditor.latest
        anchor.publish(grown.auditor.latest)
        kept.append(grown.auditor.latest)
    grown.close()
    stored = objects(url)
    assert sorted(stored.values()) == sorted(each.note for each in kept)
    assert all(name.startswith("prod/sluice-") for name in stored)
    (tmp_path / "kept").mkdir()
    for number, note in enumerate(stored.values()):
        (tmp_path / "kept" / f"{number}.note").write_text(note)
    key = grown.signer.key.text()
    assert main([str(tmp_path / "data"), "--key", key, "--anchor", str(tmp_path / "kept")]) == 0


def objects(url: str) -> dict[str, str]:
    """What the bucket holds, as the server itself knows it."""
    from moto.s3.models import s3_backends  # noqa: PLC0415 - the server runs in this process

    assert url
    found = s3_backends["123456789012"]["aws"].buckets["anchors"].keys
    return {name: found[name].value.decode() for name in found}


def test_a_wrong_secret_is_refused_and_said_without_it(bucket: tuple[str, Credentials], tmp_path: Path) -> None:
    url, by = bucket
    grown = Grown(tmp_path / "data")
    grown.grow(1)
    grown.auditor.seal()
    assert grown.auditor.latest
    wrong = S3Anchor(f"{url}/anchors", Credentials(by.key_id, "wrong-secret"), utc_us)
    with pytest.raises(AnchorError, match="status 403") as caught:
        wrong.publish(grown.auditor.latest)
    assert "wrong-secret" not in str(caught.value)
    grown.close()


@pytest.mark.parametrize("url", ["https://s3.example.com/b/a b/ü~x.note", "http://127.0.0.1:9000/bucket/p/1-2.note"])
def test_requests_are_signed_as_amazons_own_library_signs_them(url: str) -> None:
    now_us, by = 1_790_000_000_000_000, Credentials("AKID", "secret", "token", "eu-central-1")
    ours = signed("PUT", url, b"note", by, now_us)
    path = urllib.parse.quote(url, safe=":/~")
    theirs = AWSRequest("PUT", path, data=b"note", headers={"x-amz-content-sha256": ours["x-amz-content-sha256"]})
    auth = S3SigV4Auth(BotoCredentials(by.key_id, by.secret, by.token), "s3", by.region)
    theirs.context.update(timestamp=ours["x-amz-date"], payload_signing_enabled=True)
    theirs.headers["X-Amz-Date"], theirs.headers["X-Amz-Security-Token"] = ours["x-amz-date"], by.token
    theirs.headers["host"] = ours["host"]
    canonical = auth.canonical_request(theirs)
    signature = auth.signature(auth.string_to_sign(theirs, canonical), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")


def test_a_collector_gets_one_line_with_the_note(tmp_path: Path) -> None:
    grown = Grown(tmp_path / "data")
    grown.grow(2)
    grown.auditor.seal()
    assert grown.auditor.latest
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b"}
        (anchor,) = anchors_of(f"otlp:{collector.url}/v1/logs", tmp_path, environ)
        anchor.publish(grown.auditor.latest)
        (line,) = collector.lines
        assert collector.headers["x-tenant"] == "a b"
        assert line.body.string_value == grown.auditor.latest.note
        assert {pair.key: pair.value.int_value for pair in line.attributes}["sluice.audit.size"] == 2
        collector.status = 503
        with pytest.raises(AnchorError, match="status 503"):
            anchor.publish(grown.auditor.latest)
    grown.close()


def test_a_bucket_without_credentials_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="AWS_ACCESS_KEY_ID"):
        anchors_of("s3:https://s3.example.com/b", tmp_path, {})
