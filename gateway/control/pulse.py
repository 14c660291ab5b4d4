"""Whether anybody may have written to the control database since somebody last asked: far cheaper than asking what."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.control.database import Database

_SURE: Final = 10  # every so many times the answer is yes: a database that cannot be read any more is noticed as well

# What SQLite says of its file: where it lies on the disk, and a number that moves with every other connection's commit.
_Beat = tuple[int, int, int]


class Pulse:
    """One who asks again and again, from one thread at a time. PostgreSQL cannot tell: there it is always yes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conn: Connection | None = None
        self._last: _Beat | None = None
        self._silent = 0

    def beats(self) -> bool:
        """Tell whether something may have changed since this was asked before; True when in doubt."""
        beat = self._beat()
        self._silent += 1
        if beat is not None and beat == self._last and self._silent < _SURE:
            return False
        self._last, self._silent = beat, 0
        return True

    def close(self) -> None:
        """Give the connection back."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(SQLAlchemyError):
                conn.close()

    def _beat(self) -> _Beat | None:
        file = self._database.engine.url.database
        if self._database.engine.dialect.name != "sqlite" or file is None:
            return None
        try:
            found = Path(file).stat()
            if self._last is not None and self._last[:2] != (found.st_dev, found.st_ino):
                self.close()  # a restored backup lies where the old file was
            if self._conn is None:
                self._conn = self._database.resting_connection()
            version = self._conn.exec_driver_sql("PRAGMA data_version").scalar_one()
        except (OSError, SQLAlchemyError):
            self.close()
            return None
        return found.st_dev, found.st_ino, version
