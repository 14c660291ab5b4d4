"""One detector process, seen from the gateway worker."""

import asyncio
import os
import sys
from typing import Any

from redaction.detect import DetectorDown
from redaction.presidio.frames import LENGTH, MAX_BYTES, decode, encode

# The child gets these variables and no others: no key of ours or of a provider.
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_START_S = 60.0


async def _spawn(program: str) -> asyncio.subprocess.Process:
    env = {name: os.environ[name] for name in _KEPT if name in os.environ} | _ONE_THREAD
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", program, stdin=pipe, stdout=pipe, env=env)


class Child:
    """A running detector process; one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: str) -> "Child":
        """Start `python -m program` and wait until it says that it is ready; raises DetectorDown."""
        starting = asyncio.create_task(_spawn(program))
        try:
            child = cls(await asyncio.shield(starting))
        except asyncio.CancelledError:
            await cls(await starting).end()  # the process exists by now, or will in a moment
            raise
        ready = False
        try:
            async with asyncio.timeout(_START_S):
                await child._read()
            ready = True
        except (OSError, EOFError, TimeoutError) as error:
            raise DetectorDown(f"{program} does not start") from error
        finally:
            if not ready:
                await child.end()
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def gone(self) -> None:
        """Wait until the process has ended by itself."""
        await self._process.wait()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its reply; raises OSError or EOFError when the process is lost."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(encode(message))
        await stdin.drain()
        return await self._read()

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def _read(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        (size,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
        if size > MAX_BYTES:
            raise OSError("a detector process sent something else than frames")
        return decode(await stdout.readexactly(size))
