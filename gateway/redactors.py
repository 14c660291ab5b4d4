"""Compiled redactors, kept for as long as calls need them."""

from collections.abc import Callable

from gateway.call import Compiled
from policy.model import Bound
from redaction.detect import Detector
from redaction.redactor import Redactor
from redaction.types import Clean

_KEPT = 256
_KEPT_NAMES = 1024


class CompiledRedactors:
    """One redactor per effective policy and tenant, compiled at first use."""

    def __init__(self, tenant_key: Callable[[str], bytes], detector: Detector | None) -> None:
        self._tenant_key, self._detector = tenant_key, detector
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def of(self, bound: Bound, tenant: str) -> Compiled:
        """Return the redactor of a bound policy; `hash12` stands for all of its rules."""
        key = (bound.hash12, tenant)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            redactor = Redactor(bound.policy.redaction, self._tenant_key(tenant), self._detector)
            found = self._compiled[key] = Compiled(redactor, remembering(redactor.clear_label))
        return found


def remembering(clear: Callable[[str], Clean]) -> Callable[[str], Clean]:
    """Return a function that clears the few names which nearly every call repeats only once."""
    known: dict[str, Clean] = {}

    def name(text: str) -> Clean:
        found = known.get(text)
        if found is None:
            if len(known) >= _KEPT_NAMES:
                known.clear()
            found = known[text] = clear(text)
        return found

    return name
