"""A brake on guessing: failed sign-ins per account and per client address, counted in the database for all workers."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from sqlalchemy import case, delete, update

from gateway.control import schema
from gateway.control.database import Database, Write, upsert
from gateway.control.errors import TooManyAttempts
from gateway.control.identity import tokens

WINDOW_S: Final = 15 * 60


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted for; only the digest of `name` is stored."""

    name: str
    limit: int

    @property
    def key(self) -> bytes:
        return tokens.digest(self.name)


def account_bucket(email: str) -> Bucket:
    """Return the bucket of an account, whether it exists or not: a limit must not tell."""
    return Bucket(f"account:{email}", 10)


def client_bucket(client: str) -> Bucket:
    """Return the bucket of a client address, wider because many people may share one; who has one of IPv6 has 2^64."""
    with suppress(ValueError):
        address = ip_address(client)
        if isinstance(address, IPv6Address):
            own = address.ipv4_mapped
            client = str(own or IPv6Network((address, 64), strict=False))
    return Bucket(f"client:{client}", 50)


def count_attempt(database: Database, buckets: tuple[Bucket, ...]) -> None:
    """Count an attempt as failed before it is made, so that many at once cannot pass; a success takes it back.

    Raises:
        TooManyAttempts: a bucket is full; this attempt was not counted, and the error says how long to wait.
    """
    with database.write() as tx:
        waits_us = [_count(tx, bucket) for bucket in buckets]
        if max(waits_us) > 0:
            raise TooManyAttempts(max(waits_us) // 1_000_000 + 1)


def forget_attempt(tx: Write, account: Bucket, client: Bucket) -> None:
    """Empty the account's bucket after a success, and take this one attempt out of the client's."""
    table = schema.login_attempts
    tx.execute(delete(table).where(table.c.bucket == account.key))
    tx.execute(update(table).where(table.c.bucket == client.key).values(failures=table.c.failures - 1))


def _count(tx: Write, bucket: Bucket) -> int:
    """Add one; return how long to wait if that is over the limit, else 0."""
    table, until_us = schema.login_attempts, tx.now_us + WINDOW_S * 1_000_000
    over = table.c.window_until_us <= tx.now_us
    counted = {
        "failures": case((over, 1), else_=table.c.failures + 1),
        "window_until_us": case((over, until_us), else_=table.c.window_until_us),
    }
    row = {"bucket": bucket.key, "failures": 1, "window_until_us": until_us}
    added = upsert(tx.conn, table).values(row).on_conflict_do_update(index_elements=["bucket"], set_=counted)
    counts = tx.execute(added.returning(table.c.failures, table.c.window_until_us)).mappings().one()
    return counts["window_until_us"] - tx.now_us if counts["failures"] > bucket.limit else 0
