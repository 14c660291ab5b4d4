"""How commands on this machine read what the recorder knows: with the local session, through the gateway."""

import json
from typing import Any, Final

import urllib3

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
        return str(self._answer("gateway", self._gateway, "POST", "/auth/query-token", {})["token"])

    def worker(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask the automations' worker.

        Raises:
            NotReachedError: it does not answer, or refuses; the sentence says why.
        """
        where = address_of(self._settings, "worker") or address(self._settings, "worker")
        return self._answer("worker", where, method, path, body)

    def _answer(self, part: str, where: str, method: str, path: str, body: Any) -> dict[str, Any]:
        """Ask with the local session; one that has ended is renewed."""
        if not self._settings.data.is_dir():
            raise NotReachedError(
                f"There is no data folder {self._settings.data}; set SLUICE_DATA to that of `sluice up`."
            )
        file = local_token_file(self._settings)
        status, answer = _ask(part, where, file.read_text("utf-8") if file.exists() else "", (method, path, body))
        if status == 401:
            with control_database(self._settings) as database:
                write_local_token(database, file)
            status, answer = _ask(part, where, file.read_text("utf-8"), (method, path, body))
        if status >= 300:
            said = answer.get("error", {}).get("message", "")
            raise NotReachedError(f"The {part} at {where} answered with status {status}. {said}".strip())
        return answer


def _ask(part: str, where: str, session: str, asked: tuple[str, str, Any]) -> tuple[int, dict[str, Any]]:
    method, path, body = asked
    headers = {"authorization": f"Bearer {session.strip()}", "content-type": "application/json"}
    said = None if body is None else json.dumps(body)
    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT_S) as pool:
            response = pool.request(method, f"{where}{path}", body=said, headers=headers)
        return response.status, response.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise NotReachedError(f"No {part} answers at {where}; is `sluice up` running?") from error
