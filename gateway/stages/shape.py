"""Stage clear, before redaction: prompts, offered tools and data minimisation, in this order."""

from gateway.call import Governed
from gateway.stages.minimise import minimise
from gateway.stages.prompts import prompts
from gateway.stages.tools import offered_tools
from gateway.wire.endpoint import Json
from gateway.wire.features import features


def shape(governed: Governed, notes: Json) -> Governed:
    """Give the call with the request that the policy lets through to redaction, and note its features.

    Raises:
        Refused: a prompt or tool is not allowed.
        BadRequest: a prompt's variables do not fit.
    """
    notes["features"] = features(governed.call.body)
    if governed.bound.policy.shapes or governed.snapshot.prompts:
        governed = prompts(governed, notes)
        offered_tools(governed, notes)
        governed = minimise(governed, notes)
    return governed
