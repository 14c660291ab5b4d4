"""From audited outputs to samples: one stretch of audits for each traffic and window, in the order of the calls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from policy.certificate import CertificateKey


class Audit(NamedTuple):
    """One audited output; `error` is None while nobody has answered."""

    call_id: str
    at_us: int
    score: float
    error: bool | None
    deadline_us: int
    passed: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """The audits of one traffic in one window: the same rate and the same certificate throughout."""

    key: CertificateKey
    window: str
    rate: float
    certificate: str | None
    audits: tuple[Audit, ...]

    @property
    def unanswered(self) -> int:
        return sum(each.error is None for each in self.audits)

    def passed_errors(self, now_us: int) -> list[bool]:
        """Tell errors among audits of passed outputs; one still open is an error from its deadline on."""
        passed = (each for each in self.audits if each.passed)
        return [each.deadline_us < now_us if each.error is None else each.error for each in passed]


def stretches(rows: Iterable[Mapping[str, Any]], tenant: str) -> list[Stretch]:
    """Group the rows of the question `audited`; the stretch that was audited last comes first."""
    found: dict[tuple[CertificateKey, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        parts = (row[name] for name in CertificateKey._fields if name != "tenant")
        found.setdefault((CertificateKey(tenant, *parts), row["window"]), []).append(row)
    made = [_stretch(key, window, of) for (key, window), of in found.items()]
    return sorted(made, key=lambda stretch: stretch.audits[-1].at_us, reverse=True)


def passed_errors(rows: Iterable[Mapping[str, Any]], tenant: str, certificate: str, now_us: int) -> list[bool]:
    """Give the audits of what passed by a certificate, in the order of the calls, over all its audit rates."""
    own = [each for each in stretches(rows, tenant) if each.certificate == certificate]
    own.sort(key=lambda each: each.audits[0].at_us)
    return [error for each in own for error in each.passed_errors(now_us)]


def _stretch(key: CertificateKey, window: str, rows: list[Mapping[str, Any]]) -> Stretch:
    audits = tuple(
        Audit(r["call_id"], r["end_us"], r["score"], r["error"], r["deadline_us"], r["reason"] == "certified")
        for r in rows
    )
    return Stretch(key, window, rows[0]["rate"], rows[0]["certificate"], audits)
