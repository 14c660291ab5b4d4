"""`python -m gateway.keeper`: the keeper's process, started by `sluice gateway` beside its workers."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from gateway.control import housekeeping, reviews
from gateway.control.database import Database, open_database
from gateway.control.errors import ControlError
from gateway.holds.agenda import AGENDA
from gateway.holds.texts import REVIEWS, ReviewTexts
from gateway.keeper.activator import ACTOR, Activator
from gateway.keeper.certificates import CertificateWatch
from gateway.keeper.duties import Duty, Keeper, OwnDuty, blocking, sparing
from gateway.keeper.messages import Messenger, Post
from gateway.keeper.reconcile import Reconciler
from gateway.keeper.relay import Relay
from gateway.keeper.steer import Steerer
from gateway.keeper.tenure import Tenure, alone, holder_name
from gateway.keeper.webhooks import Webhooks
from gateway.keeper.weekly import weekly_duties
from gateway.logs import configure
from gateway.machine.parent import MARGIN_S, stop_signals
from gateway.machine.ports import address
from gateway.machine.processes import hold_lifeline
from gateway.sealer import Sealer
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load
from gateway.trust.erasing import Eraser, ErasureDuty, local_stores
from gateway.trust.retaining import Retention, RetentionDuty, keeper_client
from metrics.client import RecorderClient
from metrics.health.replay import Ask
from metrics.proof.erasure import ErasureList
from metrics.record.journal import FileJournal, open_keystore, writer_id
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from metrics.record.refusals import KeysError
from metrics.record.token import Grant, secret_of, sign

_PATIENCE_S: Final = 60.0


async def keep(settings: Settings, environ: Mapping[str, str]) -> None:
    """Be this machine's keeper until SIGTERM or SIGINT."""
    stop = stop_signals()
    lock = await alone(settings.data, stop)
    if lock is None:
        return
    database = open_database(settings.database_url)
    keystore, master = open_keystore(settings.data, environ)
    journal = FileJournal(settings.data, writer_id("keeper"), keystore)
    relay, tenure = Relay(database, journal), Tenure(database, holder_name(settings.data))
    duties = _duties(settings, environ, database, relay, Keys(keystore, master))
    try:
        await Keeper(tenure, duties, relay.pass_on).keep(stop)
    finally:
        await journal.close()
        database.close()
        os.close(lock)


class Keys(NamedTuple):
    """What is sealed, and what is erased, is under these."""

    store: KeyStore
    master: MasterKey


def _duties(
    settings: Settings, environ: Mapping[str, str], database: Database, relay: Relay, keys: Keys
) -> list[Duty | OwnDuty]:
    """Compose all that this keeper does, each with its pace in seconds."""
    client, private = _client(settings, keys.master, database.clock_us), frozenset(settings.webhook_hosts.split(","))

    def ask(tenant: str) -> Ask:
        return client(tenant).query

    texts = ReviewTexts(database, Sealer(keys.master, REVIEWS))
    post = Post(settings.smtp_url, settings.mail_from)
    messenger = Messenger(database, Sealer(keys.master, AGENDA), environ, post, private)
    stores = local_stores(database, keys.store, settings.data)
    erasures = ErasureDuty(Eraser(database, stores, ErasureList(settings.data), holder_name(settings.data)))
    recorder = keeper_client(keys.master, address(settings, "recorder"), database.clock_us)
    retention = RetentionDuty(Retention(database, recorder), database.clock_us)
    return [
        Duty("activation", 0.2, blocking(Activator(database, settings.policies).look)),
        Duty("relay", 0.5, relay.pass_on),
        Duty("deadlines", 0.5, blocking(lambda _: reviews.expire(database))),
        Duty("webhooks", 1.0, Webhooks(database, texts, environ, private).deliver),
        Duty("erasures", 1.0, blocking(erasures.look)),
        Duty("steering", 15.0, blocking(Steerer(database, ask).decide)),
        Duty("watch over certificates", 15.0, sparing(CertificateWatch(database, ask).look)),
        Duty("sweep", 60.0, blocking(lambda _: housekeeping.sweep(database, retention.holds()))),
        Duty("retention", 60.0, blocking(retention.look)),
        OwnDuty("reconciliation", 2.0, partial(asyncio.to_thread, Reconciler(database, settings.data).settle)),
        *weekly_duties(settings, database, client, messenger),
    ]


def _client(settings: Settings, master: MasterKey, clock_us: Callable[[], int]) -> Callable[[str], RecorderClient]:
    """Return who asks the recorder about a tenant."""
    secret, url = secret_of(master), address(settings, "recorder")

    def of(tenant: str) -> RecorderClient:
        grant = Grant(ACTOR, tenant, ("viewer",))
        return RecorderClient(url, lambda: sign(secret, grant, clock_us() // 1_000_000), _PATIENCE_S)

    return of


def main() -> int:
    """Run with this process's settings; what is wrong with them goes to standard error as a sentence."""
    try:
        settings = load(os.environ, Path.cwd())
        hold_lifeline(os.environ, settings.grace_s + MARGIN_S)
        configure("keeper")
        asyncio.run(keep(settings, os.environ))
    except (SettingsError, KeysError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except ControlError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
