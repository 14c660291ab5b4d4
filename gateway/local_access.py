"""How commands on this machine read what the recorder knows: with the local session, through the gateway."""

import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.control.identity.bootstrap import write_local_token
from gateway.machine.ports import address
from gateway.machine.prepare import control_database
from gateway.machine.running import address_of, local_token_file
from gateway.settings import Settings

TIMEOUT_S: Final = 10.0


class NotReachedError(Exception):
    """The gateway did not answer or refused; the sentence says where and why."""


class LocalAccess:
    """Exchanges the session in the data folder for tokens of the recorder; renews a session that has ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway = address_of(settings, "gateway") or address(settings, "gateway")

    def recorder_url(self) -> str:
        """Return where the recorder answers."""
        return address_of(self._settings, "recorder") or address(self._settings, "recorder")

    def query_token(self) -> str:
        """Return a fresh token for the recorder's queries.

        Raises:
            NotReachedError: there is none to be had.
        """
        if not self._settings.data.is_dir():
            raise NotReachedError(
                f"There is no data folder {self._settings.data}; set SLUICE_DATA to that of `sluice up`."
            )
        file = local_token_file(self._settings)
        status, answer = self._ask(file.read_text("utf-8") if file.exists() else "")
        if status == 401:
            with control_database(self._settings) as database:
                write_local_token(database, file)
            status, answer = self._ask(file.read_text("utf-8"))
        if status != 200:
            said = answer.get("error", {}).get("message", "")
            raise NotReachedError(f"The gateway at {self._gateway} answered with status {status}. {said}".strip())
        return str(answer["token"])

    def _ask(self, session: str) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(self._gateway)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            headers = {"authorization": f"Bearer {session.strip()}", "content-type": "application/json"}
            connection.request("POST", "/auth/query-token", "{}", headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotReachedError(f"No gateway answers at {self._gateway}; is `sluice up` running?") from error
        finally:
            connection.close()
