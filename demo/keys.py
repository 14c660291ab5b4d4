"""API keys for the sample traffic, one per automation, new at each start and good for a day."""

from datetime import timedelta

from demo.samples.read import AUTOMATIONS
from gateway.control.identity.keys import KeySpec, create_key, list_keys, revoke_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.prepare import control_database
from gateway.settings import Settings

_NAME = "sample-traffic"
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
