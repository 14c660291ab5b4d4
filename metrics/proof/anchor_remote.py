"""Anchors over HTTP: an object of its own for each checkpoint in an S3-compatible bucket, and a line of an OTLP log."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import orjson
import urllib3

from metrics.proof.notes import Checkpoint
from metrics.record.ids import Clock

TIMEOUT_S: Final = 20.0
_GOOD: Final = 300


class AnchorError(RuntimeError):
    """A checkpoint could not be anchored; the sentence says why and holds no password."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who writes into a bucket."""

    key_id: str
    secret: str
    token: str = ""
    region: str = "us-east-1"

    @staticmethod
    def of(environ: Mapping[str, str]) -> Credentials:
        """Take them from the variables that other programs take them from. Raises `ValueError`."""
        key_id, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
        if not key_id or not secret:
            raise ValueError("names a bucket; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return Credentials(key_id, secret, environ.get("AWS_SESSION_TOKEN", ""), region)


class S3Anchor:
    """A bucket at an address with its path (`https://HOST/BUCKET/PREFIX`); with object lock nobody can take it back.

    The object's name holds size and hash of the checkpoint, so that no other checkpoint can overwrite it.
    """

    def __init__(self, address: str, credentials: Credentials, clock: Clock) -> None:
        self.name = f"s3:{_without_user(address)}"
        self._address, self._credentials, self._clock = address.rstrip("/"), credentials, clock

    def publish(self, checkpoint: Checkpoint) -> None:
        """Put the note."""
        place = f"{checkpoint.origin.replace('/', '-')}/{checkpoint.size:012d}-{checkpoint.sha256[:16]}.note"
        url, body = f"{self._address}/{place}", checkpoint.note.encode()
        _send(self.name, "PUT", url, body, signed("PUT", url, body, self._credentials, self._clock()))


class OtlpAnchor:
    """A line in the log of an OTLP collector (`https://HOST:4318/v1/logs`), whose body is the note."""

    def __init__(self, address: str, clock: Clock, headers: Mapping[str, str]) -> None:
        self.name, self._address, self._clock, self._headers = f"otlp:{_without_user(address)}", address, clock, headers

    def publish(self, checkpoint: Checkpoint) -> None:
        """Send the line (OTLP as JSON)."""
        line = {
            "timeUnixNano": str(self._clock() * 1000),
            "severityNumber": 9,
            "severityText": "INFO",
            "body": {"stringValue": checkpoint.note},
            "attributes": [
                {"key": "event.name", "value": {"stringValue": "sluice.audit.checkpoint"}},
                {"key": "sluice.audit.size", "value": {"intValue": str(checkpoint.size)}},
            ],
        }
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "sluice-recorder"}}]}
        logs = [{"scope": {"name": "sluice.audit"}, "logRecords": [line]}]
        body = orjson.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": logs}]})
        _send(self.name, "POST", self._address, body, {**self._headers, "content-type": "application/json"})


def otlp_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that collectors are sent (OTEL_EXPORTER_OTLP_HEADERS)."""
    text = environ.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS") or environ.get("OTEL_EXPORTER_OTLP_HEADERS") or ""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def signed(method: str, url: str, body: bytes, by: Credentials, now_us: int) -> dict[str, str]:
    """Return the headers of a request signed with AWS Signature Version 4 for S3."""
    parts, moment = urlsplit(url), datetime.fromtimestamp(now_us / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc.rpartition("@")[2], "x-amz-content-sha256": sha256(body).hexdigest()}
    headers |= {"x-amz-date": moment} | ({"x-amz-security-token": by.token} if by.token else {})
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    path = quote(unquote(parts.path), safe="/-_.~")
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    scope = f"{moment[:8]}/{by.region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{by.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={by.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": credential}


def _send(name: str, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT_S) as http:
            answer = http.request(method, url, body=body, headers=dict(headers))
    except (urllib3.exceptions.HTTPError, ValueError) as problem:
        raise AnchorError(f"{name}: it does not answer ({type(problem).__name__})") from problem
    if answer.status >= _GOOD:
        raise AnchorError(f"{name}: it answered with status {answer.status}")


def _without_user(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else address
