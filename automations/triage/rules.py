"""Where a message goes: closed lists and rules of ours; what the model said is only one of their inputs."""

import re
from typing import Final, Literal, get_args

from automations.connectors.mail import Mail
from automations.plain import one_spelling, speaks_to_a_model
from automations.prompts import Shape

Category = Literal["billing", "technical", "account", "delivery", "sales", "cancellation", "complaint", "privacy"]
Priority = Literal["low", "normal", "high", "urgent"]
Queue = Literal["accounts", "support", "logistics", "sales", "retention", "data-protection", "security", "front-desk"]

QUEUES: Final[dict[Category, Queue]] = {
    "billing": "accounts",
    "technical": "support",
    "account": "support",
    "delivery": "logistics",
    "sales": "sales",
    "cancellation": "retention",
    "complaint": "retention",
    "privacy": "data-protection",
}
# Law gives these a deadline, so no model may sort them elsewhere.
_PRIVACY: Final = re.compile(
    r"\b(gdpr|dsgvo|right to be forgotten|(delete|erase|copy of|export) (all )?(of )?my (personal )?data"
    r"|meine (personenbezogenen )?daten (zu )?löschen|lösch\w* (sie |bitte |alle )*meine\b.{0,20}\bdaten)\b"
)
_DANGEROUS: Final = re.compile(
    r"\.(exe|scr|pif|com|cpl|bat|cmd|jse?|vb[es]|ws[fh]|hta|ps1|reg|jar|msi|appx|iso|img|vhdx?|lnk|s?html?|svg"
    r"|docm|dotm|xls[mb]|xlam|xll|pptm|one)$",
    re.I,
)


class Sorted(Shape):
    """What the model says about a message."""

    category: Category
    priority: Priority


class Routing(Shape):
    """Where the message goes, and which rule said so."""

    category: Category
    priority: Priority
    queue: Queue
    because: Literal["model", "privacy_words", "speaks_to_a_model", "dangerous_attachment"]


def route(mail: Mail, said: Sorted) -> Routing:
    """Decide about a message."""
    words = one_spelling(f"{mail.subject}\n{mail.text}")
    if any(_DANGEROUS.search(each.name) for each in mail.attachments):
        return Routing(**dict(said) | {"queue": "security", "because": "dangerous_attachment"})
    if speaks_to_a_model(words):
        return Routing(category=said.category, priority="normal", queue="front-desk", because="speaks_to_a_model")
    if _PRIVACY.search(words):
        return Routing(category="privacy", priority="high", queue="data-protection", because="privacy_words")
    return Routing(**dict(said) | {"queue": QUEUES[said.category], "because": "model"})


CATEGORIES: Final = get_args(Category)
