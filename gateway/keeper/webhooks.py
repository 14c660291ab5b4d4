"""Telling callers' webhooks what became of held answers: signed as Standard Webhooks, tried again, never inwards."""

import asyncio
import base64
import hmac
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.control import deliveries
from gateway.control.database import Database
from gateway.control.deliveries import Delivery
from gateway.control.leases import Lease
from gateway.holds.texts import ReviewTexts
from policy.addresses import is_address, is_public

# Seconds before each further try; after the last one the delivery is given up until somebody asks for it again.
WAITS_S: Final = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 50_400)
TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
_MOST: Final = 20
# Causes that no further try would change: the keeper reads its environment once.
_WHY: Final = {
    "url_unset": "the variable of its address is not set",
    "secret_unset": "the variable of its secret is not set",
    "secret_refused": "its secret is not base64 of at least 16 bytes",
    "address_refused": "its address is not one outside of this network over HTTPS",
}
_LOG: Final = logging.getLogger("gateway.keeper")


class Unusable(Exception):
    """Address or secret cannot be used, and will not be until somebody changes them; `cause` is one word."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses only; names in `private` are trusted with others. What is checked is used."""

    def __init__(self, private: frozenset[str]) -> None:
        self._private = private
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: it has no public one.
        """
        found = await self._names.resolve(host, port, family)
        allowed = [each for each in found if host in self._private or is_public(each["host"])]
        if not allowed:
            raise OSError(f"{host} has no public address")
        return allowed

    async def close(self) -> None:
        """Close the names' resolver."""
        await self._names.close()


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Delivers what is due. Addresses and secrets stand in the environment, under the names that policies give."""

    database: Database
    texts: ReviewTexts
    environ: Mapping[str, str]
    private: frozenset[str] = frozenset()

    async def deliver(self, _lease: Lease) -> int:
        """Try every delivery that is due; return how many."""
        due = await asyncio.to_thread(deliveries.due, self.database, _MOST)
        if not due:
            return 0
        connector = aiohttp.TCPConnector(resolver=PublicOnly(self.private), use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            await asyncio.gather(*(self._try(session, each) for each in due))
        return len(due)

    async def _try(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        body = orjson.dumps(await asyncio.to_thread(self._news, delivery))
        try:
            status = await self._post(session, delivery, body)
        except Unusable as error:
            status = error.cause
            _LOG.warning("the webhook of review %s is not told: %s", delivery.review.review_id, _WHY[status])
        except ValueError:  # an address that cannot even be read stops no other delivery
            status = "address_refused"
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = "unreachable"
        await asyncio.to_thread(self._note, delivery, status)

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery, body: bytes) -> str:
        url = self._address(delivery)
        now_s = str(self.database.clock_us() // 1_000_000)
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": now_s,
            "webhook-signature": signature(self._secret(delivery), delivery.delivery_id, now_s, body),
        }
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as reply:
            return str(reply.status)

    def _address(self, delivery: Delivery) -> str:
        return checked_address(self.environ.get(delivery.review.url_env or "", ""), self.private)

    def _secret(self, delivery: Delivery) -> bytes:
        text = self.environ.get(delivery.review.secret_env or "", "").removeprefix("whsec_")
        if not text:
            raise Unusable("secret_unset")
        try:
            secret = base64.b64decode(text, validate=True)
        except ValueError:
            secret = b""
        if len(secret) < 16:
            raise Unusable("secret_refused")
        return secret

    def _news(self, delivery: Delivery) -> dict[str, Any]:
        """Tell what became of a review; the answer is clean: its caller gets its own values at `hold`."""
        review = delivery.review
        data = {
            "review_id": review.review_id,
            "call_id": review.call_id,
            "run_id": review.run,
            "step": review.step,
            "automation": review.automation,
            "endpoint": review.endpoint,
            "state": review.state,
            "output": review.output,
            "answer": self.texts.output(review),
            "hold": f"/v1/holds/{review.review_id}",
        }
        return {"type": "review.decided", "timestamp": (review.decided_us or 0) // 1_000_000, "data": data}

    def _note(self, delivery: Delivery, status: str) -> None:
        last = delivery.tries >= len(WAITS_S) or status == "410" or status in _WHY
        wait_s = None if last or status.startswith("2") else WAITS_S[delivery.tries]
        deliveries.note(self.database, delivery, status, wait_s, delivered=status.startswith("2"))


def checked_address(url: str, private: frozenset[str]) -> str:
    """Return an address that may be told: HTTPS and public, unless its host is trusted.

    Raises:
        Unusable: it is not, or there is none.
    """
    if not url:
        raise Unusable("url_unset")
    host, scheme = urlsplit(url).hostname or "", urlsplit(url).scheme
    trusted = host in private
    if scheme != "https" and not (trusted and scheme == "http"):
        raise Unusable("address_refused")
    if not trusted and is_address(host) and not is_public(host):
        raise Unusable("address_refused")
    return url


def signature(secret: bytes, delivery_id: str, timestamp: str, body: bytes) -> str:
    """Sign a delivery as Standard Webhooks says."""
    signed = hmac.digest(secret, b".".join((delivery_id.encode(), timestamp.encode(), body)), "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"
