"""The providers of the snapshot in force, over the one connection pool of this worker."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway.providers.azure import AzureProvider
from gateway.providers.base import Provider, Upstreams
from gateway.providers.connection import Patience
from gateway.providers.http import Connections
from gateway.providers.openai import OpenAIProvider
from policy import providers
from policy.snapshot import Snapshot

_LOG: Final = logging.getLogger("sluice.gateway")


class ProviderPool:
    """Builds the providers of a snapshot once."""

    def __init__(
        self,
        connections: Connections,
        default: str,
        environ: Mapping[str, str],
        is_own: Callable[[str], bool],
    ) -> None:
        self._connections, self._default, self._environ, self._is_own = connections, default, environ, is_own
        self._built: tuple[str, Upstreams] | None = None

    def of(self, snapshot: Snapshot) -> Upstreams:
        """Return the providers that can be reached under a snapshot."""
        if self._built is None or self._built[0] != snapshot.sha256:
            found = {name: self._provider(entry) for name, entry in snapshot.providers.items()}
            usable: dict[str, Provider] = {name: built for name, built in found.items() if built is not None}
            self._built = (snapshot.sha256, Upstreams(usable, self._default))
        return self._built[1]

    def _provider(self, entry: providers.Provider) -> OpenAIProvider | None:
        address = entry.address(self._environ)
        if address is None:
            return None
        if self._is_own(address):
            _LOG.error("the base URL of provider %s leads back to this gateway; it is not used", entry.name)
            return None
        times = entry.timeouts
        patience = Patience(times.connect_s, times.first_byte_s, times.idle_s, times.total_s)
        key = (entry.api_key(self._environ) or "").strip() or None
        if key and not (key.isascii() and key.isprintable()):
            _LOG.error("the key of provider %s has characters that no header can carry; it is not used", entry.name)
            return None
        if entry.kind == "azure":
            return AzureProvider(
                entry.name,
                address,
                key,
                patience,
                self._connections,
                deployments=entry.deployments,
                api_version=entry.api_version or providers.AZURE_VERSION,
            )
        return OpenAIProvider(
            entry.name,
            address,
            key,
            patience,
            self._connections,
            simulated=entry.simulated,
            translated=entry.translates_responses,
        )
