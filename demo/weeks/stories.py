"""What goes wrong in the demo, when, and what the review must say about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from demo.weeks.clock import DAY_US

Kind = Literal["bad-prompt", "retrieval-outage", "price-rise", "slow-model", "certificate"]
WEEK_US: Final = 7 * DAY_US
FEWEST_WEEKS: Final = 4


@dataclass(frozen=True, slots=True)
class Story:
    """One planted story: who suffers from when to when, in which layer it is to be found, and what its cause is."""

    kind: Kind
    automation: str
    week: int
    begin_us: int
    end_us: int
    layer: str
    cause: str
    told: str


def planted(first_us: int, weeks: int) -> tuple[Story, ...]:
    """Give the stories of so many weeks; the first two are quiet, and so is each week that has none.

    Of fewer than eight weeks the outage is left out: two stories of one automation need quiet weeks between them.

    Args:
        first_us: Monday 0:00 UTC of the first week.
        weeks: at least four.
    """
    places: tuple[int | None, ...] = (3, 5, 6, 7, 8) if weeks >= 8 else (None, 3, 4, 3, 4)
    return tuple(_placed(first_us, (story, week), weeks) for story, week in zip(_STORIES, places, strict=True) if week)


def at(stories: tuple[Story, ...], automation: str, now_us: int) -> Iterator[Kind]:
    """Give what an automation suffers from at a moment."""
    return (s.kind for s in stories if s.automation == automation and s.begin_us <= now_us < s.end_us)


# Kind, automation, first hour of its week, hours it lasts (0: for good), layer, cause, and what is told.
_STORIES: Final[tuple[tuple[Kind, str, int, int, str, str, str], ...]] = (
    ("retrieval-outage", "support-drafting", 6, 120, "retrieval", "retrieval", "The search finds nothing for days."),
    ("price-rise", "crm-enrichment", 0, 0, "cost", "price", "The large model costs two and a half times as much."),
    ("slow-model", "qualification-summary", 6, 162, "latency", "simulated-small", "The small model answers slowly."),
    (
        "certificate",
        "inbound-triage",
        6,
        0,
        "certificate",
        "withdrawn",
        "Messages change; a certificate stops holding.",
    ),
    ("bad-prompt", "support-drafting", 9, 159, "prompt", "support-draft@5", "A new version of a prompt drafts worse."),
)


def _placed(first_us: int, place: tuple[tuple[Kind, str, int, int, str, str, str], int], weeks: int) -> Story:
    (kind, automation, hour, hours, layer, cause, told), week = place
    begin = first_us + (week - 1) * WEEK_US + hour * DAY_US // 24
    end = begin + hours * DAY_US // 24 if hours else first_us + (weeks + 1) * WEEK_US
    return Story(kind, automation, week, begin, end, layer, cause, told)
