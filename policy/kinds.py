"""The words policy files use for what can be found in text: kinds, groups of kinds, and profiles."""

from collections.abc import Mapping
from types import MappingProxyType


def _kinds(words: str) -> frozenset[str]:
    return frozenset(words.split())


GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "contact": _kinds("EMAIL_ADDRESS PHONE_NUMBER STREET_ADDRESS POSTCODE GPS_COORDINATES URL"),
        "identity": _kinds(
            "US_SSN US_ITIN US_PASSPORT US_DRIVER_LICENSE PASSPORT DRIVER_LICENSE NATIONAL_ID UK_NHS UK_NINO "
            "IE_PPSN FR_NIR DE_TAX_ID DE_ID_CARD NL_BSN ES_NIF ES_NIE IT_FISCAL_CODE SE_PERSONNUMMER PL_PESEL "
            "BR_CPF BR_CNPJ IN_AADHAAR IN_PAN CA_SIN"
        ),
        "finance": _kinds("CREDIT_CARD CARD_CVV CARD_EXPIRY IBAN_CODE SWIFT_BIC US_BANK_NUMBER ROUTING_NUMBER CRYPTO"),
        "health": _kinds(
            "MEDICAL_RECORD_NUMBER HEALTH_MEMBER_ID US_NPI US_DEA MEDICAL_LICENSE DATE_OF_BIRTH AGE_OVER_89"
        ),
        "technical": _kinds("IP_ADDRESS MAC_ADDRESS IMEI VIN LICENSE_PLATE COOKIE"),
        "secrets": _kinds(
            "AWS_ACCESS_KEY AWS_SECRET_KEY GITHUB_TOKEN GITLAB_TOKEN SLACK_TOKEN SLACK_WEBHOOK OPENAI_KEY "
            "ANTHROPIC_KEY GOOGLE_API_KEY STRIPE_KEY TWILIO_KEY SENDGRID_KEY NPM_TOKEN PYPI_TOKEN JWT "
            "PRIVATE_KEY CONNECTION_STRING BEARER_TOKEN PASSWORD SECRET"
        ),
        "names": _kinds("PERSON LOCATION ORGANIZATION"),
    }
)

_PEOPLE = _kinds("PERSON LOCATION")
PROFILES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "hipaa_safe_harbor": _PEOPLE.union(
            _kinds("DATE_TIME"), *(GROUPS[g] for g in ("contact", "identity", "health", "technical", "finance"))
        ),
        "gdpr": _PEOPLE.union(*(GROUPS[g] for g in ("contact", "identity", "finance", "technical"))),
        "pci": _kinds("CREDIT_CARD CARD_CVV CARD_EXPIRY"),
        "glba": GROUPS["finance"] | _kinds("US_SSN US_ITIN PERSON"),
        "secrets": GROUPS["secrets"],
    }
)

_GROUP_OF: Mapping[str, str] = MappingProxyType({kind: group for group, kinds in GROUPS.items() for kind in kinds})


def group_of(kind: str) -> str | None:
    """Name the group a kind belongs to; a custom kind belongs to none."""
    return _GROUP_OF.get(kind)


def expand(name: str) -> frozenset[str]:
    """Give the kinds a rule's name stands for: a group's members, or the kind itself."""
    return GROUPS.get(name, frozenset({name}))
