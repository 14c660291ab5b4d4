"""How commands ask the recorder; where none runs, its ledger."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.cli import Sentence
from gateway.commands.common import program
from gateway.local_access import LocalAccess, NotReachedError
from gateway.settings import Settings
from metrics.client import RecorderClient, RecorderError
from metrics.health.replay import Ask

_PATIENCE_S = 60.0


@contextmanager
def asking(settings: Settings, tenant: str = "default") -> Iterator[Ask]:
    """Give the function that asks a named question.

    Raises:
        Sentence: neither a recorder nor a ledger can be asked.
    """
    try:
        access = LocalAccess(settings)
        client = RecorderClient(access.recorder_url(), access.query_token, _PATIENCE_S)
        client.status()
        access.query_token()
    except (NotReachedError, RecorderError) as error:
        ledgers = program("metrics.health.replay_ledger", extra="recorder")
        try:
            with ledgers.stopped_ledger(settings.data, tenant) as ask:
                yield ask
        except ledgers.NoLedgerError as missing:
            raise Sentence(f"{str(error).removesuffix('.')}; and {missing}.") from error
        return
    yield client.query
