"""An OpenAI-compatible upstream."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.errors import UpstreamError
from gateway.providers.connection import Patience, Reply
from gateway.providers.http import Connections, Origin, lines

_TEXT: Final = {"accept-encoding": "identity", "user-agent": "sluice", "content-type": "application/json"}
_PATH: Final = re.compile(r"[!-~]+")


class OpenAIProvider:
    """Sends to one base URL."""

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None,
        patience: Patience,
        connections: Connections,
        *,
        simulated: bool = False,
        translated: bool = False,
    ) -> None:
        self.name, self.simulated, self.translated = name, simulated, translated
        self._origin, self._base = Origin.of(base_url), urlsplit(base_url).path.rstrip("/")
        self._patience, self._connections = patience, connections
        self._head = lines({"host": self._origin.authority} | _TEXT | self._key(base_url, api_key))

    def place(self, path: str, model: str) -> str:
        """Return the path as it is."""
        return path

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send one request; see `gateway.providers.base.Provider`."""
        if _PATH.fullmatch(path) is None:
            raise UpstreamError("This path cannot be asked of the upstream.")
        size = "" if body is None else f"content-length: {len(body)}\r\n"
        head = f"{method} {self._base}{path} HTTP/1.1\r\n{self._head}{lines(headers)}{size}\r\n"
        return await self._connections.ask(self._origin, head.encode("ascii") + (body or b""), self._patience)

    async def close(self) -> None:
        """The connections belong to the worker, which closes them."""

    def _key(self, base_url: str, api_key: str | None) -> dict[str, str]:
        """Return the header that carries the key, or the name and password that stand in the base URL."""
        parts = urlsplit(base_url)
        if api_key or not parts.username:
            return {"authorization": f"Bearer {api_key}"} if api_key else {}
        both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"authorization": f"Basic {b64encode(both.encode()).decode()}"}
