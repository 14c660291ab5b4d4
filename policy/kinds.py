"""The words policy files use for what can be found in text: kinds, groups of kinds, and profiles."""

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "contact": frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "STREET_ADDRESS", "POSTCODE", "GPS_COORDINATES", "URL"}),
        "identity": frozenset(
            {
                "US_SSN",
                "US_ITIN",
                "US_PASSPORT",
                "US_DRIVER_LICENSE",
                "PASSPORT",
                "DRIVER_LICENSE",
                "NATIONAL_ID",
                "UK_NHS",
                "UK_NINO",
                "IE_PPSN",
                "FR_NIR",
                "DE_TAX_ID",
                "DE_ID_CARD",
                "NL_BSN",
                "ES_NIF",
                "ES_NIE",
                "IT_FISCAL_CODE",
                "SE_PERSONNUMMER",
                "PL_PESEL",
                "BR_CPF",
                "BR_CNPJ",
                "IN_AADHAAR",
                "IN_PAN",
                "CA_SIN",
            }
        ),
        "finance": frozenset(
            {
                "CREDIT_CARD",
                "CARD_CVV",
                "CARD_EXPIRY",
                "IBAN_CODE",
                "SWIFT_BIC",
                "US_BANK_NUMBER",
                "ROUTING_NUMBER",
                "CRYPTO",
            }
        ),
        "health": frozenset(
            {
                "MEDICAL_RECORD_NUMBER",
                "HEALTH_MEMBER_ID",
                "US_NPI",
                "US_DEA",
                "MEDICAL_LICENSE",
                "DATE_OF_BIRTH",
                "AGE_OVER_89",
            }
        ),
        "technical": frozenset({"IP_ADDRESS", "MAC_ADDRESS", "IMEI", "VIN", "LICENSE_PLATE", "COOKIE"}),
        "secrets": frozenset(
            {
                "AWS_ACCESS_KEY",
                "AWS_SECRET_KEY",
                "GITHUB_TOKEN",
                "GITLAB_TOKEN",
                "SLACK_TOKEN",
                "SLACK_WEBHOOK",
                "OPENAI_KEY",
                "ANTHROPIC_KEY",
                "GOOGLE_API_KEY",
                "STRIPE_KEY",
                "TWILIO_KEY",
                "SENDGRID_KEY",
                "NPM_TOKEN",
                "PYPI_TOKEN",
                "JWT",
                "PRIVATE_KEY",
                "CONNECTION_STRING",
                "BEARER_TOKEN",
                "PASSWORD",
                "SECRET",
            }
        ),
        "names": frozenset({"PERSON", "LOCATION", "ORGANIZATION"}),
    }
)

_PCI = frozenset({"CREDIT_CARD", "CARD_CVV", "CARD_EXPIRY"})
PROFILES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "hipaa_safe_harbor": (
            GROUPS["contact"]
            | GROUPS["identity"]
            | GROUPS["health"]
            | GROUPS["technical"]
            | GROUPS["finance"]
            | {"PERSON", "LOCATION"}
        ),
        "gdpr": GROUPS["contact"]
        | GROUPS["identity"]
        | GROUPS["finance"]
        | GROUPS["technical"]
        | {"PERSON", "LOCATION"},
        "pci": _PCI,
        "glba": GROUPS["finance"] | {"US_SSN", "US_ITIN", "PERSON"},
        "secrets": GROUPS["secrets"],
    }
)


def group_of(kind: str) -> str | None:
    """Name the group a kind belongs to; a custom kind belongs to none."""
    return next((group for group, kinds in GROUPS.items() if kind in kinds), None)


def expand(name: str) -> frozenset[str]:
    """Give the kinds a rule's name stands for: a group's members, or the kind itself."""
    return GROUPS.get(name, frozenset({name}))
