"""Stage bind: the one policy that governs this call, pinned until its last byte."""

from typing import Protocol

from gateway import errors
from gateway.call import Call, Compiled, Governed, Tags
from policy.model import Bound, Ungoverned
from policy.snapshot import Snapshot


class Redactors(Protocol):
    """Compiled redactors, one per policy and tenant."""

    def of(self, bound: Bound, tenant: str) -> Compiled: ...


def bind(call: Call, snapshot: Snapshot, redactors: Redactors) -> Governed:
    """Find the policy for the caller's facts and labels.

    Raises:
        Ungoverned: no policy governs this key.
    """
    facts = call.holder.facts
    try:
        bound = snapshot.bind(facts, call.labels.for_policy())
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key, so the call is refused.") from error
    compiled = redactors.of(bound, facts.tenant)
    return Governed(call, snapshot, bound, *compiled, _tags(call, compiled))


def _tags(call: Call, compiled: Compiled) -> Tags:
    """Clear what a caller says about a call: free text stands in labels too."""
    labels, clear_name = call.labels, compiled.clear_name
    return Tags(
        run=call.id if labels.run_id is None else compiled.redactor.clear_label(labels.run_id),
        step=None if labels.step is None else clear_name(labels.step),
        prompt=None if labels.prompt is None else clear_name(labels.prompt),
        data_class=None if labels.data_class is None else clear_name(labels.data_class),
        model=clear_name(call.body["model"]),
    )
