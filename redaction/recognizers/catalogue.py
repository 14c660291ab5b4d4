"""All built-in recognizers, secrets first."""

from redaction.recognizers import contact, finance, health, identity, secrets, technical
from redaction.recognizers.base import Recognizer

BUILT_IN: tuple[Recognizer, ...] = (
    *secrets.RECOGNIZERS,
    *contact.RECOGNIZERS,
    *finance.RECOGNIZERS,
    *identity.RECOGNIZERS,
    *health.RECOGNIZERS,
    *technical.RECOGNIZERS,
)
# Used only by policies that speak of their kinds.
OPTIONAL: tuple[Recognizer, ...] = (*health.DATES, *health.AGES)
