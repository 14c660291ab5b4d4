"""Fresh made-up values of every class, with the words that lead to them."""

import string
from collections.abc import Callable, Mapping
from random import Random

from redaction.recognizers import checks, national

Value = tuple[str, str]  # the words before it, and the value
Make = Callable[[], str]
_FIRST = ("Ivana", "Tomasz", "Priya", "Helen", "Marco", "Ingrid", "Rafael", "Yusuf", "Claire", "Dmitri")
_LAST = ("Petrov", "Wisniewski", "Raman", "Whitaker", "Bellini", "Halvorsen", "Moreira", "Demir", "Fontaine", "Okafor")


class Maker:
    """Makes values that no other call of it has made, as far as chance goes."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def digits(self, count: int) -> str:
        return str(self._random.randint(1, 9)) + "".join(self._random.choices(string.digits, k=count - 1))

    def word(self, count: int) -> str:
        return "".join(self._random.choices("abcdefghiklmnoprstuvw", k=count))

    def token(self, count: int) -> str:
        letters = string.ascii_letters + string.digits
        return "aZ7" + "".join(self._random.choices(letters, k=count - 3))

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def name(self) -> str:
        return f"{self._random.choice(_FIRST)} {self._random.choice(_LAST)}"

    def fitting(self, make: Make, fits: Callable[[str], bool]) -> str:
        """Return the first made value that passes a check digit."""
        while not fits(value := make()):
            pass
        return value


def values(maker: Maker) -> Mapping[str, Value]:
    """Return one fresh value of each kind."""
    return {**_people(maker), **_money(maker), **_machines(maker), **_secrets(maker)}


def _people(m: Maker) -> Mapping[str, Value]:
    return {
        "EMAIL_ADDRESS": ("write to ", f"{m.word(9)}@{m.word(6)}.example.com"),
        "PHONE_NUMBER": ("call ", f"+1-4{m.number(10, 69)}-555-{m.digits(4)}"),
        "STREET_ADDRESS": ("they live at ", f"{m.number(110, 989)} {m.word(8).title()} Avenue"),
        "GPS_COORDINATES": ("seen at ", f"{m.number(10, 80)}.{m.digits(6)}, {m.number(10, 90)}.{m.digits(6)}"),
        "US_SSN": ("ssn ", f"9{m.number(10, 64)}-{m.number(10, 49)}-{m.digits(4)}"),
        "PASSPORT": ("passport number ", f"X{m.digits(8)}"),
        "DRIVER_LICENSE": ("driver license ", f"D{m.digits(7)}"),
        "UK_NINO": ("national insurance ", f"AB{m.digits(6)}C"),
        "PL_PESEL": ("pesel ", m.fitting(lambda: f"{m.number(60, 99)}0{m.number(1, 9)}1{m.digits(6)}", national.pesel)),
        "ES_NIF": ("nif ", m.fitting(lambda: m.digits(8) + m.word(1).upper(), national.nif)),
        "IN_AADHAAR": ("aadhaar ", m.fitting(lambda: m.digits(12), national.aadhaar)),
        "MEDICAL_RECORD_NUMBER": ("MRN ", m.digits(8)),
        "HEALTH_MEMBER_ID": ("member id ", f"XQW{m.digits(9)}"),
        "US_NPI": ("npi ", m.fitting(lambda: m.digits(10), checks.npi)),
        "PERSON": ("my name is ", m.name()),
    }


def _money(m: Maker) -> Mapping[str, Value]:
    german = m.fitting(lambda: f"DE{m.digits(2)}{m.digits(18)}", checks.mod97)
    return {
        "CREDIT_CARD": ("card ", m.fitting(lambda: f"4{m.digits(15)}", checks.card)),
        "IBAN_CODE": ("iban ", german),
        "US_BANK_NUMBER": ("account number ", m.digits(12)),
        "ROUTING_NUMBER": ("routing number ", m.fitting(lambda: f"0{m.digits(8)}", checks.aba)),
    }


def _machines(m: Maker) -> Mapping[str, Value]:
    pairs = ":".join(f"{m.number(16, 255):02x}" for _ in range(6))
    return {
        "IP_ADDRESS": ("from ", ".".join(str(m.number(100, 250)) for _ in range(4))),
        "MAC_ADDRESS": ("device ", pairs),
        "IMEI": ("imei ", m.fitting(lambda: m.digits(15), checks.luhn)),
        "VIN": ("vin ", f"1HGCM826{m.digits(9)}"),
        "COOKIE": ("Cookie: ", f"sid={m.token(24)}"),
    }


def _secrets(m: Maker) -> Mapping[str, Value]:
    pem = f"-----BEGIN PRIVATE KEY-----\n{m.token(60)}\n{m.token(60)}\n-----END PRIVATE KEY-----"
    return {
        "AWS_ACCESS_KEY": ("key ", f"AKIA{m.token(16).upper()}"),
        "GITHUB_TOKEN": ("token ", f"ghp_{m.token(36)}"),
        "OPENAI_KEY": ("key ", f"sk-proj-{m.token(40)}"),
        "SLACK_TOKEN": ("token ", f"xoxb-{m.digits(12)}-{m.token(24)}"),
        "STRIPE_KEY": ("key ", f"sk_live_{m.token(24)}"),
        "JWT": ("session ", f"eyJ{m.token(30)}.{m.token(40)}.{m.token(32)}"),
        "PASSWORD": ("password: ", f"{m.token(12)}!"),
        "CONNECTION_STRING": ("database ", f"postgres://{m.word(6)}:{m.token(14)}@db.internal/{m.word(8)}"),
        "PRIVATE_KEY": ("", pem),
    }
