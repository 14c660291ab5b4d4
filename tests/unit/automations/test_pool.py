"""The working part of a worker: it ends by itself when steps hang that nobody can stop."""

import threading
from pathlib import Path

from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.flow.within import STEP_THREAD
from automations.queue.clock import QueueClock
from automations.queue.database import open_queue
from automations.queue.outbox import Outbox
from automations.queue.store import Store
from automations.worker.pool import MOST_HUNG, Pool
from automations.worker.relay import Relay
from tests.contract.automations.test_relay import Keys


def test_a_worker_with_many_hung_steps_ends_to_be_started_anew(tmp_path: Path) -> None:
    queue, gateway, over = open_queue(f"sqlite:///{tmp_path}/queue.db"), MemoryGateway(), threading.Event()
    store = Store(queue, QueueClock(queue))
    relay = Relay(Outbox(store), gateway, Keys(gateway))
    pool = Pool(Engine(store, gateway, {}), relay, "w1", 2, 0.03)
    hung = [threading.Thread(target=over.wait, name=STEP_THREAD, daemon=True) for _ in range(MOST_HUNG)]
    try:
        for thread in hung[1:]:
            thread.start()
        pool.start()
        assert not pool.stopping.wait(0.2)
        hung[0].start()
        assert pool.stopping.wait(10)
        assert pool.stop(10)
        assert pool.worn
    finally:
        over.set()
        pool.stop(10)
        queue.close()
