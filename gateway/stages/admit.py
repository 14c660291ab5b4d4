"""Stage admit: from an HTTP request to a call with a known caller."""

from gateway.admission import KeyDirectory, KeyHolder, Limits, authenticate, refuse_loops
from gateway.call import Call
from gateway.errors import WrongMethod
from gateway.wire import labels
from gateway.wire.body import parse
from gateway.wire.endpoint import Endpoint
from gateway.wire.exchange import Exchange
from gateway.wire.trace import Trace


def identify(http: Exchange, directory: KeyDirectory, method: str) -> KeyHolder:
    """Return the caller of a request that may be read.

    Raises:
        WrongMethod, BadRequest, WrongEncoding, Unauthorized: see `gateway.errors`.
    """
    if http.method != method:
        raise WrongMethod(f"Use {method} for {http.path}.", headers={"allow": method})
    refuse_loops(http.headers)
    return authenticate(http.headers, directory)


async def admit(
    call_id: str, trace: Trace, http: Exchange, endpoint: Endpoint, holder: KeyHolder, limits: Limits
) -> Call:
    """Read and check the request.

    Raises:
        TooLarge, BadRequest: see `gateway.errors`.
        ClientLeft: the client went away before the request was complete.
    """
    body = parse(await http.read(limits.body_bytes, limits.body_s))
    endpoint.check(body)
    metadata = body.get("metadata")
    stream = body.get("stream") is True and endpoint.assemble is not None
    return Call(call_id, endpoint, body, holder, labels.read(http.headers, metadata), trace, stream)
