"""Stage clear: nothing governed leaves the gateway."""

from gateway.call import ClearRequest, Governed
from gateway.errors import RedactionDown, Refused
from gateway.wire.labels import without_labels
from redaction.types import Blocked, RedactionFailed


async def clear(governed: Governed) -> ClearRequest:
    """Redact every string of the request.

    Raises:
        Refused: a rule blocks a value in it.
        RedactionDown: it could not be searched completely.
    """
    call = governed.call
    try:
        cleared = await governed.redactor.clear(without_labels(call.body), call.endpoint.name)
    except Blocked as error:
        raise Refused(
            f"The policy {governed.bound.name} does not allow {error.kind} in a request ({error.site}).",
            param=error.site,
        ) from error
    except RedactionFailed as error:
        raise RedactionDown("The request could not be searched for personal data, so it was not sent.") from error
    return ClearRequest(governed, cleared)
