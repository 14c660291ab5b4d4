"""Azure OpenAI: the OpenAI wire under paths of its own, one for each deployment of a model."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from gateway.providers.connection import Patience
from gateway.providers.http import Connections
from gateway.providers.openai import OpenAIProvider

_OF_RESOURCE: Final = ("/models",)  # paths that belong to no deployment


class AzureProvider(OpenAIProvider):
    """Sends to one resource. A model without an entry in `deployments` is a deployment of the same name."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        api_key: str | None,
        patience: Patience,
        connections: Connections,
        *,
        deployments: Mapping[str, str],
        api_version: str,
    ) -> None:
        super().__init__(name, endpoint, api_key, patience, connections, translated=True)
        self._deployments, self._version = deployments, quote(api_version, safe="")

    def place(self, path: str, model: str) -> str:
        """Return the path of a deployment."""
        below = "/openai"
        if not path.startswith(_OF_RESOURCE):
            below += f"/deployments/{quote(self._deployments.get(model, model), safe='')}"
        return f"{below}{path}?api-version={self._version}"

    def _key(self, _base_url: str, api_key: str | None) -> dict[str, str]:
        return {"api-key": api_key} if api_key else {}
