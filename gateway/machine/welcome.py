"""What `sluice up` tells a person once everything answers: addresses, a key, a sign-in link, three lines to paste."""

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.control.database import Database
from gateway.control.identity.bootstrap import OPERATOR_ID
from gateway.control.identity.keys import WORKER_KEY, KeySpec, create_key, list_keys
from gateway.control.identity.login import LINK_S, create_link
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.machine.ports import address
from gateway.settings import Settings

_HELLO = (
    '{python} -c \'from openai import OpenAI; print(OpenAI().chat.completions.create(model="{model}", '
    'messages=[{{"role": "user", "content": "Hello"}}]).choices[0].message.content)\''
)
_CURL = (
    'curl -s "$OPENAI_BASE_URL/chat/completions" -H "authorization: Bearer $OPENAI_API_KEY" '
    '-H "content-type: application/json" '
    '-d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
)
_MODELS = {"simulated": "simulated-small"}


@dataclass(frozen=True, slots=True)
class Way:
    """How to get in. `key` is None unless it was made just now; `link` is None without a dashboard."""

    key: str | None
    link: str | None


def open_ways(database: Database, *, dashboard: str | None) -> Way:
    """Make the first key of the default tenant, and a one-time sign-in link for its operator."""
    return Way(_first_key(database), None if dashboard is None else sign_in_link(dashboard, _token(database)))


def sign_in_link(dashboard: str, token: str) -> str:
    """Return the address that signs a person in to the dashboard, once."""
    return f"{dashboard}/?login={token}"


def lines(settings: Settings, parts: list[str], way: Way) -> Iterator[str]:
    """Return the lines to show; some hold secrets."""
    yield ""
    for part in parts:
        yield f"  {part.capitalize():<10} {address(settings, part)}{'/v1' if part == 'gateway' else ''}"
    if way.link:
        yield f"  Sign in    {way.link}   (works once, within {LINK_S // 60} minutes)"
    yield f"  API key    {_key_said(settings, way)}"
    yield ""
    yield "Point your client here:"
    yield f"  export OPENAI_BASE_URL={address(settings, 'gateway')}/v1"
    yield f"  export OPENAI_API_KEY={_key_pasted(settings, way)}"
    yield "  " + _hello(_MODELS.get(settings.upstream, "gpt-4o-mini"))
    yield ""
    yield "Ctrl-C stops everything."


def _hello(model: str) -> str:
    """Return a line that works here: with this program's own Python if it has the client, else with curl."""
    if importlib.util.find_spec("openai") is None:
        return _CURL.format(model=model)
    return _HELLO.format(python=shlex.quote(sys.executable), model=model)


def _key_said(settings: Settings, way: Way) -> str:
    if way.key:
        return f"{way.key}   (new; not shown again)"
    if settings.bootstrap_key:
        return "the key you set in SLUICE_BOOTSTRAP_KEY"
    return "one you have; `sluice keys create` makes another"


def _key_pasted(settings: Settings, way: Way) -> str:
    if way.key:
        return way.key
    return '"$SLUICE_BOOTSTRAP_KEY"' if settings.bootstrap_key else "sk-sluice-..."


def _first_key(database: Database) -> str | None:
    by = local_operator(DEFAULT_TENANT)
    if any(key.name != WORKER_KEY for key in list_keys(database, DEFAULT_TENANT, by)):
        return None
    return create_key(database, DEFAULT_TENANT, KeySpec(name="development"), by)[0]


def _token(database: Database) -> str:
    return create_link(database, DEFAULT_TENANT, OPERATOR_ID, local_operator(DEFAULT_TENANT))
