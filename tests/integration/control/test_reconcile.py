"""A worker killed with SIGKILL: what it held counts as spent until its journal shows what it really spent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway.control import budgets
from gateway.control.budgets import Allowance, ControlStore, Wish
from gateway.control.database import Database, open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.keeper.reconcile import Reconciler

CAP = 1000
DAY = Allowance("acme", "team:support|usd|day", 1_000, 9_000_000_000_000_000)
PLACES = Allowance("acme", "key:k|calls|now")
WORKER = """
import asyncio, sys, time
from pathlib import Path
from gateway.control.budgets import Allowance, ControlStore, Wish
from gateway.control.database import open_database
from gateway.allowances.purses import Purses
from metrics.record.events import Event
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal, open_keystore, writer_id

DATA, DAY = Path(sys.argv[1]), Allowance("acme", "team:support|usd|day", 1_000, 9_000_000_000_000_000)
PLACES = Allowance("acme", "key:k|calls|now")

async def main():
    keystore, _ = open_keystore(DATA, {})
    writer = writer_id("worker")
    journal = FileJournal(DATA, writer, keystore)
    purses = Purses(ControlStore(open_database(f"sqlite:///{DATA}/control.db"), writer), utc_us)
    for number, used in enumerate((5, 7, None)):
        await purses.reserve(DAY, Wish(10, 200, 1000))
        await purses.reserve(PLACES, Wish(1, 1, 5, share=1))
        def event(suffix, kind, amount):
            charges = [[DAY.name, DAY.period_us, amount]]
            body = {"call_id": f"c{number}", "charges": charges}
            return Event(f"c{number}.{suffix}", kind, utc_us(), "acme", body=body)
        journal.write(event("r", "call.reserved", 10))
        if used is not None:
            purses.settle(DAY, 10, used)
            await journal.commit(event("e", "call.end", used))
    print("ready", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


def taken(database: Database, allowance: Allowance) -> int:
    return next(state.taken for state in budgets.states(database, "acme", 0) if state.allowance.name == allowance.name)


def test_a_killed_workers_rest_comes_back_once_it_is_dead(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/control.db")
    try:
        upgrade(database)
        ensure_tenant(database, "acme")
        process = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        reconciler, elsewhere = Reconciler(database, tmp_path), Reconciler(database, tmp_path / "another machine")
        assert reconciler.settle() == 0  # it lives
        before = taken(database, DAY)
        assert before >= 200
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert elsewhere.settle() == 0  # its journal is not there: all of it counts as spent
        assert taken(database, DAY) == before
        assert reconciler.settle() == 2  # whoever is keeper
        assert taken(database, DAY) == 5 + 7 + 10  # two calls ended; one was under way and counts in full
        (state,) = (each for each in budgets.states(database, "acme", 0) if each.allowance.name == DAY.name)
        assert state.spent == 22
        assert taken(database, PLACES) == 0
        assert reconciler.settle() == 0
        assert ControlStore(database, "next").take(DAY, Wish(CAP - 22, 1, CAP)).granted == CAP - 22
    finally:
        database.close()
