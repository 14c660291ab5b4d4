"""One detector process, seen from the gateway worker."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, cast

from redaction.detect import DetectorDown
from redaction.presidio.frames import LENGTH, MAX_BYTES, decode, encode
from redaction.presidio.turns import Job

# The child gets these variables and no others: no key of ours or of a provider.
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_START_S = 60.0


class Child(asyncio.SubprocessProtocol):
    """A running detector process; one job at a time. `free` is called whenever it can take the next one."""

    def __init__(self, free: "Callable[[Child], None]") -> None:
        loop = asyncio.get_running_loop()
        self._free = free
        self._data = bytearray()
        self._ready: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._job = Job({}, 0.0, self._ready)  # the first message says that it is ready
        self._late: asyncio.TimerHandle | None = None
        self._lost, self._closed = asyncio.Event(), asyncio.Event()

    @classmethod
    async def start(cls, program: str, free: "Callable[[Child], None]") -> "Child":
        """Start `python -m program` and wait until it says that it is ready; raises DetectorDown."""
        starting = asyncio.create_task(_spawn(lambda: cls(free), program))
        try:
            child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await (await starting).end()  # the process exists by now, or will in a moment
            raise
        try:
            async with asyncio.timeout(_START_S):
                await child._ready
        except (DetectorDown, TimeoutError) as error:
            await child.end()
            raise DetectorDown(f"{program} does not start") from error
        except asyncio.CancelledError:
            await child.end()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._transport.get_pid()

    def run(self, job: Job, limit_s: float) -> None:
        """Give it a job; when that takes longer than `limit_s`, the process is killed."""
        self._job = job
        self._late = asyncio.get_running_loop().call_later(limit_s, self._give_up)
        self._stdin.write(encode({**job.message, "limit_s": limit_s}))

    async def gone(self) -> None:
        """Wait until it can no longer be used."""
        await self._lost.wait()

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        self._ready.cancel()
        self._transport.close()
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the pipes of the process that was started."""
        # By protocol, not by class: uvloop's transports are none of asyncio's.
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what the process wrote: the answer to its job."""
        self._data += data
        if len(self._data) < LENGTH.size:
            return
        (size,) = LENGTH.unpack_from(self._data)
        if size > MAX_BYTES:
            self._lose("a detector process sent something else than frames")
        elif len(self._data) >= LENGTH.size + size:
            frame = bytes(self._data[LENGTH.size : LENGTH.size + size])
            self._data.clear()
            self._answer(decode(frame))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that the process closed a pipe, as it does when it dies."""
        self._lose("a detector process died")

    def process_exited(self) -> None:
        """Note that the process ended."""
        self._lose("a detector process died")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the process has ended and all its pipes are closed."""
        self._closed.set()

    def _answer(self, message: dict[str, Any]) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
            self._job.resolve(message)
            self._free(self)
        else:
            self._job.resolve(message)

    def _give_up(self) -> None:
        self._job.fail(TimeoutError("a detector process was killed at the deadline"))
        self._lose("it was killed")

    def _lose(self, why: str) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._job.fail(DetectorDown(why))
        self._lost.set()


async def _spawn(make: "Callable[[], Child]", program: str) -> Child:
    env = {name: os.environ[name] for name in _KEPT if name in os.environ} | _ONE_THREAD
    pipe, own = asyncio.subprocess.PIPE, None  # its standard error is ours
    _, child = await asyncio.get_running_loop().subprocess_exec(
        make, sys.executable, "-m", program, stdin=pipe, stdout=pipe, stderr=own, env=env
    )
    return child
