"""The planted stories: each is found by the review of its week, in the right place; the quiet week stays quiet."""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from demo.samples.read import AUTOMATIONS
from demo.weeks.play import Plan, Play, clock_for, last_full_weeks, start_us
from demo.weeks.stage import open_stage, own_folder, settings_of
from demo.weeks.stories import WEEK_US
from gateway.settings import load
from metrics.health.review.headlines import layer_of
from metrics.health.review.serve import made

pytestmark = pytest.mark.timeout(300)  # the weeks are played once
MONDAY_US = last_full_weeks(datetime(2026, 11, 22, 12, tzinfo=UTC), 4)
PLAN = Plan(MONDAY_US, 4, 0.7)  # so many that what is planted shows in all but one of hundreds of plays


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Play four weeks; give their reviews, and one made again at its record."""

    async def play() -> dict[str, Any]:
        with own_folder(tmp_path_factory.mktemp("stories") / "demo") as folder:
            own_master(folder)
            settings = settings_of(load({}, folder), folder)
            async with open_stage(settings, clock_for(PLAN), PLAN.seed) as stage:
                show = Play(stage, PLAN)
                await show.days(lambda: None)
                weeks = {week: stage.reviewed(week) for week in show.played.weeks}
                first = weeks["2026-W44"]
                again = made(stage.recorder, "default", {**first["inputs"], "at_seq": first["seq"]})
                span = {"measure": "volume", "since": start_us(PLAN), "until": MONDAY_US + 5 * WEEK_US}
                asked = {"all": {}, "days": {"bucket": "day"}, "automations": {"by": "automation"}}
                volume = {name: stage.query("measure", **span, **more).dicts() for name, more in asked.items()}
                return {"weeks": weeks, "again": again, "first": first, "play": show.played, "volume": volume}

    return asyncio.run(play())


def own_master(folder: Path) -> None:
    """Give the folder the same master key each time: pseudonyms, and so the answers to them, and audit coins follow it.

    Of plays by chance some have a quiet week with a false mover, or a story that is told a week later.
    How many, `make campaign-stories` and `make campaign-movers` count.
    """
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    (keys / "master.key").write_bytes(base64.b64encode(b"k" * 32))
    (keys / "master.key").chmod(0o600)


def movers(played: dict[str, Any], week: int, automation: str) -> list[dict[str, Any]]:
    document = played["weeks"][f"2026-W{42 + week}"]
    return [each for each in document["movers"] if each["automation"] == automation]


def events(played: dict[str, Any], week: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = played["weeks"][f"2026-W{42 + week}"]["events"]
    return found


def test_weeks_are_played_through_the_real_gateway_and_recorder(played: dict[str, Any]) -> None:
    play, volume = played["play"], played["volume"]
    total = {row["part"]: row["value"] for row in volume["all"]}
    assert total["calls"] == total["simulated"] == play.runs
    assert total["failed"] == total["refused"] == play.failed == 0
    assert play.weeks == ["2026-W43", "2026-W44", "2026-W45", "2026-W46"]
    days = {row["bucket"] for row in volume["days"]}
    assert (min(days)[:7], max(days)[:7]) == ("2026-09", "2026-11")
    assert {row["group"] for row in volume["automations"]} == set(AUTOMATIONS)
    assert play.reports > 0


def test_a_price_rise_is_found_with_its_cause(played: dict[str, Any]) -> None:
    costs = [each for each in movers(played, 3, "crm-enrichment") if each["measure"] == "cost"]
    assert [(each["worse"], each["cause"]["what"]) for each in costs] == [(True, "price")]


def test_a_slow_model_is_found(played: dict[str, Any]) -> None:
    slow = [each for each in movers(played, 4, "qualification-summary") if each["measure"] == "latency"]
    assert [(each["step"], each["worse"], each["cause"]) for each in slow] == [("summarise", True, None)]
    assert [(each["reason"]["kind"], each["reason"]["name"]) for each in slow] == [("model", "simulated-small")]


def test_a_bad_prompt_is_found_with_its_version(played: dict[str, Any]) -> None:
    found = {each["measure"]: each for each in movers(played, 4, "support-drafting")}
    causes = {each["cause"]["to"] for each in found.values() if each["cause"]}
    assert "support-draft@5" in causes
    document = played["weeks"]["2026-W46"]
    assert (layer_of(document, "support-drafting") or {})["layer"] == "prompt"


def test_a_certificate_that_stops_holding_is_withdrawn_and_told(played: dict[str, Any]) -> None:
    told = [(each["kind"], each["automation"]) for week in (3, 4) for each in events(played, week)]
    assert ("certificate.withdrawn", "inbound-triage") in told
    fell = [each for week in (3, 4) for each in movers(played, week, "inbound-triage") if each["measure"] == "success"]
    assert [(each["worse"], each["cause"], each["told"]) for each in fell] == [(True, None, False), (True, None, True)]


def test_a_quiet_week_has_no_mover(played: dict[str, Any]) -> None:
    assert played["weeks"]["2026-W44"]["movers"] == []
    assert played["weeks"]["2026-W44"]["volume"]["simulated"] == played["weeks"]["2026-W44"]["volume"]["calls"]


def test_a_review_made_again_has_the_same_bytes(played: dict[str, Any]) -> None:
    kept = orjson.dumps(played["first"], option=orjson.OPT_SORT_KEYS)
    assert hashlib.sha256(played["again"]).digest() == hashlib.sha256(kept).digest()


def test_late_outcomes_are_restated(played: dict[str, Any]) -> None:
    told = played["weeks"]["2026-W45"]["restated"]
    assert {each["week"] for each in told} <= {"2026-W43", "2026-W44"}
    assert told
