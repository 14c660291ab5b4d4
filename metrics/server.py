"""A web server that waits to be told of its end: uvicorn's own looks ten times a second whether it was."""

from __future__ import annotations

import asyncio
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """Serves until `tell`, or until a signal where uvicorn minds them. Give it `date_header=False`: it never ticks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        if not await self.on_tick(0):  # a signal may have come before there was a loop to tell
            await self._told.wait()

    def tell(self) -> None:
        """Stop. Called in the server's event loop."""
        self.should_exit = True
        self._told.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal, in the midst of anything, and wake the loop."""
        super().handle_exit(sig, frame)
        if self._loop:
            self._loop.call_soon_threadsafe(self._told.set)
