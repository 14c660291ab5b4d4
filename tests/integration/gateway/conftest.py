"""The real upstream and gateways of the end-to-end tests, for raw connections."""

from tests.e2e.conftest import gateway, start, upstream

__all__ = ("gateway", "start", "upstream")
