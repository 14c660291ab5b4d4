"""Records behind a JSON API: taken where they are listed, filled in where nothing stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from automations.connectors.api import Api
from automations.connectors.base import offer_all, shaped, tell_refused
from automations.connectors.filled import Filled
from automations.flow.automation import Offer


@dataclass(frozen=True, slots=True)
class ApiRecords:
    """Records that the operations `read` and `write` of an API file reach by `{id}`.

    Only what is empty is written. With an ETag on what was read the write carries If-Match, so that somebody who was
    faster is seen; without one a value that was written in between would be lost.
    """

    api: Api

    def fill(self, row: Any, values: Mapping[str, Any], sources: Mapping[str, str], key: str, run: str = "") -> Filled:
        """Write values into a record where nothing stands; `sources` and `run` go along as `sources` and `run`.

        Raises:
            Refused, Unavailable, Unsure: as `http.send` says.
        """
        found = self.api.read("read", id=str(row))
        stands = found.body if isinstance(found.body, dict) else {}
        free = {name: value for name, value in values.items() if stands.get(name) in (None, "")}
        if free:
            said = {"sources": {name: sources.get(name, "") for name in free}, "run": run}
            self.api.call("write", {**free, **said}, key=key, match=found.etag, id=str(row))
        return Filled(tuple(free), tuple(name for name in values if name not in free))


@dataclass(frozen=True, slots=True)
class ApiRows:
    """The source of the records that the operation `open` lists."""

    api: Api
    shape: type[Any]
    every_s: float = 30.0
    name: str = "api"

    def poll(self, offer: Offer) -> None:
        """Offer every record that is listed."""
        adapter = TypeAdapter(self.shape)
        names = adapter.json_schema()["properties"]
        for number, bad in offer_all((shaped(adapter, row, names) for row in self.api.items("open")), offer):
            tell_refused(self.name, f"record {number}", bad)
