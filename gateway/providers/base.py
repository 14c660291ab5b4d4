"""What the gateway needs of a model provider: send one request, then read the reply as it arrives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Reply(Protocol):
    """A provider's reply whose status and headers are here and whose body is still coming."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name."""

    async def read(self) -> bytes:
        """Return the whole body, decompressed.

        Raises:
            UpstreamError: it broke off, took too long or is too large.
        """

    async def next(self) -> bytes | None:
        """Wait for bytes and return all that are there; None at the end of the body.

        Raises:
            UpstreamError: as `read`.
        """

    def close(self) -> None:
        """Close the upstream connection unless the body was read to its end. Safe to call twice."""


class Provider(Protocol):
    """One upstream that speaks the OpenAI wire. Errors of the connection are `UpstreamError`s; statuses are not."""

    @property
    def name(self) -> str: ...

    @property
    def simulated(self) -> bool: ...

    @property
    def translated(self) -> bool:
        """True: it has no Responses API, so those calls reach it as chat completions."""

    def place(self, path: str, model: str) -> str:
        """Return where the endpoint of a model is, below the base URL; `path` as OpenAI has it."""

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send one request and return when the reply's headers have arrived.

        Args:
            method: GET, POST or DELETE.
            path: below the base URL, for example `/chat/completions`.
            body: the JSON text, already cleared.
            headers: added to the provider's own.

        Raises:
            UpstreamError: no connection, no reply in time, or the connection broke.
        """

    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The providers of one snapshot; `default` gets every model name that names no provider."""

    providers: Mapping[str, Provider]
    default: str
