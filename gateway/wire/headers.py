"""The headers that every reply carries."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from gateway.errors import GatewayError

Header = tuple[bytes, bytes]
JSON: Final[Header] = (b"content-type", b"application/json")
SIMULATED: Final[Header] = (b"x-sluice-simulated", b"true")
DEFERRED: Final[Header] = (b"x-sluice-record", b"deferred")
NO_RETRY: Final[Header] = (b"x-should-retry", b"false")
_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


def value(text: str) -> bytes:
    """Encode any text as a header value; what is not printable ASCII is percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return quote(text, safe=_PRINTABLE).encode()


def identity(call_id: str, traceparent: str, run: str | None) -> list[Header]:
    """Name the call, its run and its span."""
    name = call_id.encode()
    of_call = [(b"x-sluice-call-id", name), (b"x-sluice-run-id", value(run) if run else name)]
    return [*request(call_id, traceparent), *of_call]


def request(request_id: str, traceparent: str) -> list[Header]:
    """Name a request and its span."""
    return [(b"x-request-id", request_id.encode()), (b"traceparent", traceparent.encode())]


def streamed(told: Iterable[Header]) -> list[Header]:
    """Return the headers of a whole reply as a stream has them."""
    return [header for header in told if header != JSON]


def policy(name: str, hash12: str) -> Header:
    """Name the policy that governed the call."""
    return (b"x-sluice-policy", f"{name}@{hash12}".encode())


def closing(
    decision: str, score: float | None, cost_usd: float | None, overhead_ms: float, dropped: tuple[str, ...]
) -> list[Header]:
    """Say what is known once the answer is complete; an unknown cost and a score that nobody asked for are left out."""
    headers = [(b"x-sluice-decision", decision.encode()), (b"x-sluice-overhead-ms", b"%.3f" % overhead_ms)]
    if score is not None:
        headers.append((b"x-sluice-confidence", b"%.4f" % score))
    if cost_usd is not None:
        headers.append((b"x-sluice-cost-usd", f"{cost_usd:.9f}".encode()))
    if dropped:
        headers.append((b"x-sluice-dropped-params", ",".join(dropped).encode()))
    return headers


def of_error(error: GatewayError) -> list[Header]:
    """Return an error's own headers, and whether a client should try again."""
    headers = [JSON, *_encoded(error.headers)]
    if not error.retryable:
        headers.append(NO_RETRY)
    return headers


def retry_count(sent: Mapping[bytes, bytes]) -> int:
    """Return how often OpenAI's client says that it tried before."""
    said = sent.get(b"x-stainless-retry-count", b"")
    return int(said) if said.isdigit() and len(said) < 4 else 0


def _encoded(headers: Mapping[str, str]) -> list[Header]:
    return [(name.encode(), value(text)) for name, text in headers.items()]
