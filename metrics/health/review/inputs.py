"""What a weekly review is made from beside the ledger; with these and the ledger at its record it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from metrics.record.refusals import QueryError


@dataclass(frozen=True, slots=True)
class Inputs:
    """One review's inputs, all of them JSON.

    Args:
        week: such as 2026-W47.
        tz: the time zone of its days.
        snapshot: SHA-256 of the policy snapshot whose registry is used.
        registry: the entries of the registry, as in the snapshot.
        earlier: of reviews frozen before: `week`, `revision`, `seq`, `sha256` and `figures`
            (by automation and objective), for what has been restated since.
        checkpoint: the last signed checkpoint of the audit tree.
    """

    week: str
    tz: str = "UTC"
    snapshot: str | None = None
    registry: tuple[Mapping[str, Any], ...] = ()
    earlier: tuple[Mapping[str, Any], ...] = ()
    checkpoint: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Take what `as_json` gave, or somebody else. Raises `QueryError`."""
        try:
            lists = {name: tuple(given.get(name) or ()) for name in ("registry", "earlier")}
            return cls(
                str(given["week"]),
                str(given.get("tz") or "UTC"),
                given.get("snapshot"),
                checkpoint=given.get("checkpoint"),
                **lists,
            )
        except (KeyError, TypeError) as problem:
            raise QueryError("a review is asked for with a week, such as 2026-W47") from problem

    def as_json(self) -> dict[str, Any]:
        """Give them as they stand in the review."""
        return asdict(self)
