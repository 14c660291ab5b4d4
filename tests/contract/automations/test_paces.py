"""The pace of an API holds over all workers: moments that several processes take are a step apart."""

import subprocess
import sys
from itertools import pairwise

from automations.queue.clock import QueueClock
from automations.queue.database import QueueDatabase
from automations.queue.paces import SharedPace
from automations.queue.store import Store

TAKE = """
import sys
from itertools import pairwise
from automations.queue.clock import QueueClock
from automations.queue.database import open_queue
from automations.queue.paces import SharedPace
from automations.queue.store import Store
opened = open_queue(sys.argv[1])
pace = SharedPace(Store(opened, QueueClock(opened)))
sys.stdin.read(1)
print(*(pace.moment_us("crm", 20) for _ in range(30)))
"""
STEP_US = 50_000


def test_two_processes_share_one_pace(queue: QueueDatabase) -> None:
    address = queue.engine.url.set(drivername=queue.engine.dialect.name).render_as_string(hide_password=False)
    command = [sys.executable, "-c", TAKE, address]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    moments = sorted(int(word) for process in both for word in process.communicate(timeout=60)[0].split())
    assert len(moments) == 60
    assert min(later - earlier for earlier, later in pairwise(moments)) >= STEP_US


def test_what_was_free_for_long_is_not_saved_up(queue: QueueDatabase) -> None:
    clock = QueueClock(queue)
    pace, before_us = SharedPace(Store(queue, clock)), clock()
    first = pace.moment_us("crm", 20)
    assert first >= before_us
    assert pace.moment_us("crm", 20) - first >= STEP_US
    assert pace.wait_s("other", 20) == 0
