"""Compiled redactors, kept for as long as calls need them."""

from collections.abc import Callable

from policy.model import Bound
from redaction.detect import Detector
from redaction.redactor import Redactor

_KEPT = 256


class CompiledRedactors:
    """One redactor per effective policy and tenant, compiled at first use."""

    def __init__(self, tenant_key: Callable[[str], bytes], detector: Detector | None) -> None:
        self._tenant_key, self._detector = tenant_key, detector
        self._compiled: dict[tuple[str, str], Redactor] = {}

    def of(self, bound: Bound, tenant: str) -> Redactor:
        """Return the redactor of a bound policy; `hash12` stands for all of its rules."""
        key = (bound.hash12, tenant)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            found = Redactor(bound.policy.redaction, self._tenant_key(tenant), self._detector)
            self._compiled[key] = found
        return found
