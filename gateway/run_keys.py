"""Keys of automations' runs: made here, stored by the worker in a form that only the key store can open.

A run's key is wrapped by the key of its subject, where it has one, and by the key of its day, tenant and retention
class. Nothing is stored here: an erasure of the subject, or the end of the day's retention, ends the run's key too.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag

from metrics.record.keystore import Key, KeyStore
from metrics.record.keytext import KEY_BYTES
from policy.model import Facts

_NONCE_BYTES: Final = 12
_FORM: Final = "v1"
_DAY_US: Final = 24 * 3600 * 1_000_000


class KeyGone(LookupError):
    """A key that wraps this one was destroyed, or it never was one of this key store and this automation."""


class Wanted(NamedTuple):
    """A run that needs a key, and whom it is about."""

    run: str
    subject: str | None


class Made(NamedTuple):
    """A new key: open, and as the worker stores it."""

    key: bytes
    wrapped: str


@dataclass(frozen=True, slots=True)
class RunKeys:
    """Makes and opens keys of runs; safe for several threads."""

    keystore: KeyStore

    def make(self, facts: Facts, runs: Sequence[Wanted], days: int, now_us: int) -> list[Made]:
        """Make a key for each run. Raises `sqlite3.Error` while the key store cannot be written."""
        day = datetime.fromtimestamp(now_us / 1e6, UTC).date().isoformat()
        with self.keystore.transaction():
            outer = self.keystore.day_key(facts.tenant, f"automation:{days}d", day)
            inner = [self._subject_key(facts, run.subject) for run in runs]
        return [_wrapped(_about(facts, run.run), outer, key) for run, key in zip(runs, inner, strict=True)]

    def open(self, facts: Facts, run: str, wrapped: str) -> bytes:
        """Open a run's key.

        Raises:
            KeyGone: it cannot be opened any more, or not by this automation.
        """
        form, _, rest = wrapped.partition(".")
        names, _, text = rest.rpartition(".")
        about = _about(facts, run)
        try:
            held = base64.urlsafe_b64decode(text)
            for name in names.split("."):
                held = _opened(self._known(name), held, about)
        except (ValueError, InvalidTag) as error:
            raise KeyGone(run) from error
        if form != _FORM:
            raise KeyGone(run)
        return held

    def _subject_key(self, facts: Facts, subject: str | None) -> Key | None:
        return self.keystore.subject_key(facts.tenant, subject)[1] if subject else None

    def _known(self, name: str) -> Key:
        key = self.keystore.key(name)
        if key is None:
            raise KeyGone(name)
        return key


def expires_us(days: int, now_us: int) -> int:
    """Return when a key that is made now ends: with the last day of its retention."""
    return now_us - now_us % _DAY_US + (days + 1) * _DAY_US


def _wrapped(about: bytes, outer: Key, inner: Key | None) -> Made:
    key = secrets.token_bytes(KEY_BYTES)
    held, names = key, [outer.key_id]
    if inner is not None:
        held, names = _sealed(inner, held, about), [outer.key_id, inner.key_id]
    text = base64.urlsafe_b64encode(_sealed(outer, held, about)).decode()
    return Made(key, ".".join((_FORM, *names, text)))


def _sealed(key: Key, raw: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + key.cipher.encrypt(nonce, raw, about)


def _opened(key: Key, held: bytes, about: bytes) -> bytes:
    return key.cipher.decrypt(held[:_NONCE_BYTES], held[_NONCE_BYTES:], about)


def _about(facts: Facts, run: str) -> bytes:
    return f"run\0{facts.tenant}\0{facts.automation or ''}\0{run}".encode()
