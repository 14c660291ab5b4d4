"""API keys for the sample traffic, one per automation, new at each start and good for a day."""

import time
from datetime import timedelta

import urllib3

from demo.samples.read import AUTOMATIONS
from gateway.control.database import position
from gateway.control.identity.keys import KeySpec, create_key, list_keys, revoke_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.machine.prepare import control_database
from gateway.settings import Settings

_NAME = "sample-traffic"
_POLL_S = 0.25
_PATIENCE_S = 30.0
_LIFE_US = timedelta(days=1) // timedelta(microseconds=1)
_TEAMS = dict(zip(AUTOMATIONS, ("service-desk", "sales-ops", "sales-ops", "support"), strict=True))


def sample_keys(settings: Settings) -> dict[str, str]:
    """Revoke the sample keys of an earlier start and make new ones; give the key of each automation."""
    operator = local_operator(DEFAULT_TENANT)
    with control_database(settings) as database:
        now_us = database.clock_us()
        for info in list_keys(database, DEFAULT_TENANT, operator):
            if info.name == _NAME and info.state(now_us) == "active":
                revoke_key(database, DEFAULT_TENANT, info.key_id, operator)
        return {
            name: create_key(
                database,
                DEFAULT_TENANT,
                KeySpec(name=_NAME, automation=name, team=team, environment="demo", expires_us=now_us + _LIFE_US),
                operator,
            )[0]
            for name, team in _TEAMS.items()
        }


def until_known(settings: Settings, gateway: str) -> None:
    """Wait until every worker of the gateway at this address knows all keys there are, or half a minute has passed."""
    with control_database(settings) as database, database.read() as conn:
        wanted = position(conn).version
    ends_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends_s:
        if (seen := _changes_seen(gateway)) and min(seen) >= wanted:
            return
        time.sleep(_POLL_S)


def _changes_seen(gateway: str) -> list[int]:
    """Give how far each worker has followed the control database; empty while nobody answers."""
    try:
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            return [worker["changes"] for worker in pool.request("GET", f"{gateway}/status").json()["workers"]]
    except (urllib3.exceptions.HTTPError, ValueError, KeyError):
        return []
