"""Sources and hooks as the environment names them, so that the same automation runs at home and in production."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from automations.connectors.base import LOCAL, port_of
from automations.connectors.folder import Folder, csv_rows, json_lines, read_eml
from automations.connectors.imap import ImapInbox, ImapServer
from automations.connectors.webhook import SignedHook, Take
from automations.flow.automation import Source


def mail_sources(environ: Mapping[str, str], prefix: str) -> tuple[Source, ...]:
    """Give a folder of EML (`PREFIX_FOLDER`) and a mailbox (`PREFIX_IMAP_HOST`, `_USER`, `_PASSWORD`), where named."""
    found: list[Source] = []
    if folder := environ.get(f"{prefix}_FOLDER"):
        found.append(Folder(Path(folder), ".eml", read_eml, name="mail folder"))
    if host := environ.get(f"{prefix}_IMAP_HOST"):
        port = port_of(environ, f"{prefix}_IMAP_PORT", 993)
        security: Literal["tls", "none"] = "none" if host in LOCAL else "tls"
        named = ImapServer(host, f"{prefix}_IMAP_USER", f"{prefix}_IMAP_PASSWORD", port, security)
        found.append(ImapInbox(named, environ))
    return tuple(found)


def row_sources(environ: Mapping[str, str], prefix: str, shape: type[Any]) -> tuple[Source, ...]:
    """Give a folder (`PREFIX_FOLDER`) in which JSON lines and CSV are dropped, where it is named."""
    folder = environ.get(f"{prefix}_FOLDER")
    if not folder:
        return ()
    lines = Folder(Path(folder), ".jsonl", json_lines(shape), name="JSON lines")
    return lines, Folder(Path(folder), ".csv", csv_rows(shape), name="CSV")


def signed_hook(environ: Mapping[str, str], secret_env: str, take: Take) -> SignedHook | None:
    """Give a signed hook where its secret is set.

    Raises:
        ValueError: the secret cannot be one, so that nothing would ever be taken.
    """
    if not environ.get(secret_env):
        return None
    made = SignedHook(secret_env, take, environ)
    try:
        made.key()
    except PermissionError as error:
        raise ValueError(f"{secret_env}: {error}") from error
    return made
