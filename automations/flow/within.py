"""Runs a function with a time limit, in a thread of its own: one that is over time is left behind."""

import threading
from collections.abc import Callable
from typing import TypeVar

from automations.flow.failures import StepTimedOut

Gives = TypeVar("Gives")
STEP_THREAD = "step"


def within(seconds: float, work: Callable[[], Gives]) -> Gives:
    """Return what the work gives.

    Raises:
        StepTimedOut: it takes longer. A thread cannot be stopped, so it goes on, and what it gives is dropped.
    """
    given: list[Gives] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, name=STEP_THREAD, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise StepTimedOut(f"it took longer than {seconds:g} s")
    if failed:
        raise failed[0]
    return given[0]
