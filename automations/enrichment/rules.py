"""What may be written about a company: only what can be found in its own record, in one spelling."""

import re
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field

from automations.prompts import Shape

Industry = Literal[
    "software",
    "manufacturing",
    "retail",
    "healthcare",
    "finance",
    "logistics",
    "education",
    "construction",
    "hospitality",
]
_NUMBER: Final = re.compile(r"(?<![\w.,])\d{1,3}(?:[,.' ]\d{3})+(?!\w)|(?<![\w.,])\d+(?!\w)")
_PLACE: Final = re.compile(r"[^\W\d_][^<>{};=|\\\"$`\x00-\x1f]{0,79}")  # no formula, no markup, no statement
_MOST_DIGITS: Final = 10
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}")


class Company(Shape):
    """A row of the customer database."""

    id: int | str
    name: str
    website: str | None = None
    notes: str | None = None


class Firmographics(Shape):
    """What the model read out of the record."""

    industry: Industry | None
    employees: int | None = Field(description="number of employees, people or staff", ge=1, le=5_000_000)
    city: str | None = Field(description="city of the head office")
    domain: str | None


class Facts(Shape):
    """What is written: each value with the field it was found in."""

    id: int | str
    values: dict[str, str | int]
    sources: dict[str, str]


def facts_of(company: Company, said: Firmographics) -> Facts:
    """Keep what the record itself bears out, normalised."""
    known = {"website": company.website or "", "notes": company.notes or "", "name": company.name}
    found: dict[str, tuple[str | int, str]] = {}
    if said.industry and known["notes"].strip():
        found["industry"] = said.industry, "notes, read by a model"
    if said.employees and (where := _number_in(known, said.employees)):
        found["employees"] = said.employees, where
    if said.city and _PLACE.fullmatch(said.city) and (where := _words_in(known, said.city)):
        found["city"] = " ".join(said.city.split()), where
    if (domain := _domain(company.website or "")) is not None:
        found["domain"] = domain, "website"
    return Facts(
        id=company.id,
        values={name: value for name, (value, _) in found.items()},
        sources={name: source for name, (_, source) in found.items()},
    )


def _number_in(known: dict[str, str], number: int) -> str | None:
    for name, text in known.items():
        written = (re.sub(r"\D", "", each).lstrip("0") for each in _NUMBER.findall(text))
        if any(len(digits) < _MOST_DIGITS and digits and int(digits) == number for digits in written):
            return name
    return None


def _words_in(known: dict[str, str], words: str) -> str | None:
    wanted = " ".join(words.split()).casefold()
    whole = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    return next((name for name, text in known.items() if wanted and whole.search(text.casefold())), None)


def _domain(website: str) -> str | None:
    try:
        host = (urlsplit(website if "//" in website else f"//{website}").hostname or "").removeprefix("www.")
    except ValueError:  # no address that anybody could open
        return None
    return host if _DOMAIN.fullmatch(host) else None
