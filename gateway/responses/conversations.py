"""Everything that endpoints of conversations need."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.responses.jobs import MemoryJobs
from gateway.responses.store import MemoryStore, ResponseStore
from gateway.responses.tape import Bell
from gateway.responses.turn import Queue


@dataclass(frozen=True, slots=True)
class Conversations:
    """What is kept of responses, and where those wait that are answered later."""

    store: ResponseStore
    queue: Queue


def in_memory(clock_us: Callable[[], int]) -> Conversations:
    """Keep responses in memory only; nobody runs those that wait."""
    store = MemoryStore()
    return Conversations(store, Queue(MemoryJobs(store), lambda: None, clock_us, Bell()))
