"""Stage clear: nothing governed leaves the gateway."""

from gateway.call import ClearRequest, Governed
from gateway.errors import BadRequest, GatewayError, RedactionDown, Refused
from gateway.stages.turn import with_earlier
from gateway.wire.labels import without_labels
from redaction.types import Blocked, RedactionFailed, Unsearchable


async def clear(governed: Governed) -> ClearRequest:
    """Redact every string of the request.

    Raises:
        Refused: a rule blocks a value in it.
        RedactionDown: it could not be searched completely.
        BadRequest: nobody could search it.
    """
    call = governed.call
    try:
        cleared = await governed.redactor.clear(without_labels(call.body), call.endpoint.name)
        cleared = await with_earlier(governed, cleared)
    except Blocked as error:
        raise Refused(
            f"The policy {governed.bound.name} does not allow {error.kind} in a request ({error.site}).",
            param=error.site,
        ) from error
    except RedactionFailed as error:
        raise not_searched(error) from error
    return ClearRequest(governed, cleared)


def not_searched(error: RedactionFailed) -> GatewayError:
    """Say whose fault it is that a text was not searched."""
    if isinstance(error, Unsearchable):
        return BadRequest(f"This cannot be searched for personal data: {error}.", code="unsearchable")
    return RedactionDown("The request could not be searched for personal data, so it was not sent.")
