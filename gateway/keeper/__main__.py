"""`python -m gateway.keeper`: the keeper's process, started by `sluice gateway` beside its workers."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.control.database import open_database
from gateway.control.errors import ControlError
from gateway.holds.agenda import AGENDA
from gateway.holds.texts import REVIEWS, ReviewTexts
from gateway.keeper.activator import ACTOR, Activator
from gateway.keeper.certificates import CertificateWatch
from gateway.keeper.duties import Keeper
from gateway.keeper.messages import Messenger, Post
from gateway.keeper.reconcile import Reconciler
from gateway.keeper.relay import Relay
from gateway.keeper.steer import Steerer
from gateway.keeper.tenure import Tenure, alone, holder_name
from gateway.keeper.webhooks import Webhooks
from gateway.keeper.weekly import weekly_watches
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
from metrics.record.master import MasterKey, MasterKeyError
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
    tenure = Tenure(database, holder_name(settings.data))
    try:
        activator, relay = Activator(database, settings.policies), Relay(database, journal)
        reconciler = Reconciler(database, settings.data)
        client = _client(settings, master, database.clock_us)

        def ask(tenant: str) -> Ask:
            return client(tenant).query

        steerer, certificates = Steerer(database, ask), CertificateWatch(database, ask)
        texts, private = ReviewTexts(database, Sealer(master, REVIEWS)), frozenset(settings.webhook_hosts.split(","))
        webhooks = Webhooks(database, texts, environ, private)
        stores, holder = local_stores(database, keystore, settings.data), holder_name(settings.data)
        eraser = ErasureDuty(Eraser(database, stores, ErasureList(settings.data), holder))
        own = keeper_client(master, address(settings, "recorder"), database.clock_us)
        retention = RetentionDuty(Retention(database, own), database.clock_us)
        parts = (activator, relay, reconciler, steerer, certificates, webhooks, eraser, retention)
        post = Post(settings.smtp_url, settings.mail_from)
        messenger = Messenger(database, Sealer(master, AGENDA), environ, post, private)
        watches = weekly_watches(settings, database, client, messenger)
        await Keeper(database, tenure, *parts, watches=watches).keep(stop)
    finally:
        await journal.close()
        database.close()
        os.close(lock)


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
    except (SettingsError, MasterKeyError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except ControlError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
