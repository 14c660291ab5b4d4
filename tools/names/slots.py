"""Values that fill the slots of the training templates, drawn from Faker and the lists beside this file."""

import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from faker import Faker

LISTS = Path(__file__).parent / "lists"
_LOCALES = (
    "en_US en_US en_US en_US en_GB en_GB en_AU en_CA en_IN en_IE en_NZ en_PH en_KE en_NG de_DE de_AT de_CH fr_FR fr_CA es_ES es_MX es_CO it_IT nl_NL "
    "pt_BR pt_PT sv_SE da_DK fi_FI no_NO pl_PL cs_CZ hu_HU tr_TR id_ID ro_RO hr_HR sl_SI sk_SK et_EE lv_LV lt_LT vi_VN yo_NG ha_NG zu_ZA"
).split()
_TITLE = re.compile(
    r"^(Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Dipl|Ing|Univ|Sig|Dott|Mag|Fru|Hr|Sr|Sra|Doc|Bc|MUDr|JUDr|Ph|Drs?|Tn|Ny|H|Hj|Cut|Puan|Dt|R|Ir)\b\.?\s*", re.I
)
_SECTORS = (
    "Logistics Capital Labs Foods Health Insurance Bank Energy Systems Partners Media Pharma Robotics Airlines Motors University Foundation Hospital Clinic "
    "Retail Telecom Solutions Consulting Software Group Industries Electric Travel Hotels Records Studios Press Publishing Dental Realty Properties Builders "
    "Plumbing Bakery Cafe Restaurant Pharmacy Academy College School Museum Theatre Church Institute Trust Council Society Club United Rovers Securities "
    "Investments Ventures Holdings Mining Chemicals Textiles Furniture Jewelers Optics Security Staffing Analytics Networks Aerospace Shipping Freight"
).split()
_WORDS = (
    "Blue North Bright Sky Red Iron Silver Green Nova Peak Data Cloud Quick Vertex Open Deep True Smart Tele Medi Agri Fin Pay Shop Hyper Golden Royal "
    "First Global National Pacific Atlantic Summit Harbor River Oak Maple Eagle Falcon Phoenix Apex Prime Omega Alpha Delta Orion Zenith Liberty Heritage "
    "Pioneer Universal Central Modern Urban Fresh Pure Rapid Swift Solid Crystal Diamond Emerald Lunar Solar Stellar Evergreen Northern Southern Western"
).split()
_TAILS = "wave bridge stone line point works forge mart field core hub path loop grid ly ify soft tech nix port leaf spark ware net gen via ex on a io".split()
_FORMS = ", Inc|, Inc.| Inc| Inc.| Ltd| Ltd.| LLC|, LLC| GmbH| AG| Corp| Corp.| Corporation| SA| BV| AB| Pty Ltd| Co.| Company| PLC| plc| S.p.A.| Group| Holdings".split("|")
_COUNTRY_CODES = "UK USA US U.S. EU UAE NYC LA Germany France the Netherlands England Scotland Wales Europe Asia Africa America".replace("the Netherlands", "the_Netherlands").split()
_FIELDS = "Enterprise plan|Pro plan|the dashboard|the API|SSO|the mobile app|Outlook|the billing portal|webhooks|Excel|Kubernetes|Python|the VPN|an invoice|the onboarding call|Q3 forecast|the SOW|GDPR review|SOC 2 report|the PO|S3|the contract|the report|my account|the checkout|the app|a refund|the new laptop|the invoice export|single sign-on|two-factor login|the data import".split("|")
_JOBS = "VP Sales|CFO|CEO|Head of IT|procurement manager|account exec|customer success lead|office manager|CTO|legal counsel|nurse|driver|support agent|Managing Director|Vice President|Director of Operations|teacher|software engineer|chairman|spokesman|professor|painter|singer|footballer".split("|")


def read_list(name: str) -> list[str]:
    """Return the lines of a list file."""
    return (LISTS / f"{name}.txt").read_text().splitlines()


def latin(text: str) -> bool:
    """Say whether every letter belongs to a Latin block."""
    return all(ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 or not c.isalpha() for c in text)


def held_out(word: str) -> bool:
    """Say whether a name is kept for evaluation: one word in eight, by its checksum."""
    return zlib.crc32(word.lower().encode()) % 8 == 0


class Slots:
    """Random values by slot name; `holdout` draws names from the part that training never sees."""

    def __init__(self, seed: int, *, holdout: bool, prose: list[str]) -> None:
        self.random = random.Random(seed)
        self._holdout = holdout
        self._prose = prose
        self._fakers = [Faker(locale) for locale in _LOCALES]
        for number, fake in enumerate(self._fakers):
            fake.seed_instance(seed * 1000 + number)
        self._english = self._fakers[0]
        self._nations = [w.capitalize() for w in (LISTS / "nationalities.txt").read_text().split()]
        self._organisations = [o for o in read_list("organisations") if held_out(o) == holdout]
        self._technical = [w for w in (LISTS / "technical.txt").read_text().split() if held_out(w) == holdout]
        self._sentences = read_list("prose") if not holdout else []

    def pick(self, *choices: str) -> str:
        """Return one of the choices."""
        return self.random.choice(choices)

    def fake(self) -> Faker:
        """Return a random locale."""
        return self.random.choice(self._fakers)

    def _try(self, make: Callable[[], str], fits: Callable[[str], bool], default: str) -> str:
        for _ in range(40):
            value = make()
            if fits(value):
                return value
        return default

    def _own_part(self, name: str) -> bool:
        return latin(name) and held_out(name.split()[0]) == self._holdout

    def first(self) -> str:
        fake = self.fake()
        return self._try(fake.first_name, self._own_part, "Maria" if not self._holdout else "Thaddeus")

    def last(self) -> str:
        fake = self.fake()
        return self._try(fake.last_name, self._own_part, "Novak" if not self._holdout else "Ferrante")

    def person(self) -> str:
        fake, draw = self.fake(), self.random.random()
        first = self._try(fake.first_name, self._own_part, "Maria")
        last = self._try(fake.last_name, self._own_part, "Novak")
        forms: tuple[tuple[float, Callable[[], str]], ...] = (
            (0.60, lambda: f"{first} {last}"),
            (0.68, lambda: f"{first} {self.pick(*'ABCDEFGHJKLMNPRSTW')}. {last}"),
            (0.71, lambda: f"{first} {self.pick(*'ABCDEFGHJKLMNPRSTW')} {last}"),
            (0.75, lambda: f"{first[0]}. {last}"),
            (0.77, lambda: f"{first[0]}.{self.pick(*'ABCDEHJKLMNPRSTW')}. {last}"),
            (0.80, lambda: f"{last}, {first}"),
            (0.84, lambda: f"{first} {last}-{self.last()}"),
            (0.87, lambda: f"{first} {self.pick('van', 'de', 'von', 'del', 'van der', 'da', 'bin', 'al', 'Mc', 'O’', 'ter', 'el')} {last}"),
            (0.91, lambda: f"{first} {self.first()} {last}"),
            (0.93, lambda: f"{first} {last} {self.pick('Jr.', 'Sr.', 'III', 'II', 'Jr')}"),
            (0.96, lambda: last),
            (0.98, lambda: first),
        )
        return next((make() for limit, make in forms if draw < limit), f"{first} {last}".upper())

    def place(self) -> str:
        draw = self.random.random()
        if draw < 0.62:
            return self._try(self.fake().city, latin, "Lyon")
        if draw < 0.80:
            return str(self._english.country())
        if draw < 0.86:
            return str(self._english.state())
        if draw < 0.90:
            return self.pick(*_COUNTRY_CODES).replace("_", " ")
        if draw < 0.95:
            return f"{self._english.city()}, {self._english.state_abbr()}"
        return f"{self.pick('North', 'South', 'East', 'West', 'New', 'Port', 'Mount', 'Lake', 'St.', 'Upper', 'Northern', 'Central')} {self.last()}"

    def organisation(self) -> str:
        draw = self.random.random()
        if draw < 0.22:
            return self._try(self.fake().company, latin, "Ferrante Ltd")
        if draw < 0.36:
            return f"{self.last()} {self.pick(*_SECTORS)}"
        if draw < 0.48:
            return self.pick(*_WORDS) + self.pick(*_TAILS) + self.pick("", "", "", *_FORMS)
        if draw < 0.60:
            return f"{self.pick(*_WORDS)} {self.pick(*_SECTORS, *_WORDS)}{self.pick('', '', '', *_FORMS)}"
        if draw < 0.68:
            return f"{self.last()}{self.pick(' & ', ' and ', ', ')}{self.last()}{self.pick(' LLP', '', ' Ltd', ' Associates', ' & Sons', ' Law', ' and Sons', ' Inc')}"
        if draw < 0.76:
            return f"{self.place().split(',')[0]} {self.pick(*_SECTORS, 'General Hospital', 'City Council', 'Central Bank', 'High School', 'Public Library', 'Police Department')}"
        if draw < 0.80:
            kind = self.pick("University", "Bank", "Ministry of Health", "Department of Education", "Museum", "Embassy", "Port Authority")
            return f"{kind} of {self.place().split(',')[0]}"
        if draw < 0.84:
            return "".join(self.random.choices("ABCDEFGHIKLMNPRSTUVW", k=self.random.choice((2, 3, 3, 4)))) + self.pick("", "", " Group", " Bank", " Ltd", " Inc.")
        if draw < 0.88:
            return f"{self.last()}{self.pick(*_FORMS)}"
        return self.random.choice(self._organisations)

    def street(self) -> str:
        street = self._try(self.fake().street_address, latin, "12 High Street")
        return street.split("\n")[0]

    def address(self) -> str:
        fake, draw = self.fake(), self.random.random()
        if draw < 0.4:
            text = self._try(fake.address, latin, "12 High Street\nLeeds LS1 4AP")
            return self.pick(text, text.replace("\n", ", "), text.replace("\n", ", "), text.replace("\n", " "))
        if draw < 0.55:
            return self.street()
        return self._built_address(fake)

    def _built_address(self, fake: Faker) -> str:
        r, us = self.random, self._english
        street, city = self.street(), self._try(fake.city, latin, "Lyon")
        post = str(fake.postcode()) if r.random() < 0.8 else str(us.postcode())
        country = self.pick(str(us.country()), str(us.country_code()), "")
        unit = self.pick("", "", f" Apt. {r.randint(1, 990)}", f" Suite {r.randint(1, 990)}", f" Unit {r.randint(1, 99)}", f"/{r.randint(1, 30)}", f", Flat {r.randint(1, 30)}", f" #{r.randint(1, 99)}")
        gap = self.pick("\n", ", ", ", ", "\n    ", "\n ", " ", "\n, ")
        plain = f"{street}{unit}{gap}"
        number = f"{r.randint(1, 9999)} "
        forms = (
            f"{plain}{city}{gap}{country} {post}",
            f"{plain}{post} {city}{gap}{country}",
            f"{plain}{city}, {us.state_abbr()} {post}",
            f"{number}{plain}{city} {us.state_abbr()} {post}",
            f"{number}{plain}{city}{gap}{post}{gap}{country}",
            f"{plain}{city.upper()}{gap}{us.state_abbr()}{gap}{post}",
            f"{plain}{city}{gap}{country}",
            f"P.O. Box {r.randint(1, 9999)}{gap}{city}{gap}{post}",
            f"{plain}{city}",
            f"{street}{unit}",
        )
        return self.pick(*forms).strip(" ,\n")

    def nation(self) -> str:
        return self.random.choice(self._nations)

    def title(self) -> str:
        return self.pick("Mr", "Mrs", "Ms", "Dr", "Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "Miss", "Sir", "Madam", "Professor", "Judge", "Captain", "Sgt.", "Rev.", "Mx.", "Herr", "Frau", "Sr.", "Sra.")

    def sentence(self) -> str:
        draw = self.random.random()
        if draw < 0.2 or not (self._sentences or self._prose):
            return str(self._english.sentence())
        return self.random.choice(self._sentences if draw < 0.5 and self._sentences else self._prose)

    def heading(self) -> str:
        return " ".join(self._english.word().capitalize() for _ in range(self.random.randint(2, 4)))

    def technical(self) -> str:
        word = self.random.choice(self._technical)
        return self.pick(word, word, word.upper(), word.capitalize()) if len(word) > 3 else self.pick(word, word.upper(), word.upper())

    def technical_sentence(self) -> str:
        a, b, n = self.technical(), self.technical(), self.random.randint(1, 999)
        return self.pick(
            f"{a} returns {n} when {b} is down.", f"The {a} timeout is {n} ms.", f"{a}: connection to {b} refused", f"Upgrade {a} to {n}.{n % 10} and restart {b}.",
            f"{a} {b} failed with code {n}", f"We run {a} behind {b} in production.", f"{self._english.sentence()} {a}!", f"see the {a} logs in {b}", f"{a} v{n % 9}.{n % 7} is not compatible with {b}",
            f"The {a} {self._english.word()} needs {b} {self._english.word()}.", f"{self.heading()} ({a}/{b})", f"fix({a}): {self._english.word()} {b} {self._english.word()}",
        )  # fmt: skip

    def phone(self) -> str:
        return str(self._english.phone_number())

    def date(self) -> str:
        fe = self._english
        return self.pick(fe.date(), fe.date(pattern="%d %B %Y"), fe.day_of_week(), "tomorrow", f"next {fe.day_of_week()}", f"{fe.month_name()} {self.random.randint(1, 28)}", fe.date(pattern="%m/%d/%Y"), fe.year())

    def number(self) -> str:
        return str(self.random.randint(1, 99999))

    def time(self) -> str:
        return f"{self.random.randint(1, 12)}{self.pick('am', 'pm', ':30', ':15 pm', ' o’clock')}"

    def money(self) -> str:
        return f"{self.pick('$', '€', '£')}{self.random.randint(10, 99999):,}"

    def identifier(self) -> str:
        return self.pick("INC", "TCK", "CASE", "ORD", "INV", "#", "PO-", "REQ", "TKT-", "A-") + str(self.random.randint(1000, 999999))

    def job(self) -> str:
        return self.pick(str(self._english.job()), *_JOBS)

    def makers(self) -> dict[str, tuple[str | None, Callable[[], str]]]:
        """Return for each slot its label (None: not personal) and its maker."""
        fe = self._english
        return {
            "p": ("PER", self.person), "f": ("PER", self.first), "l": ("PER", self.last), "c": ("LOC", self.place), "o": ("ORG", self.organisation),
            "a": ("ADDR", self.address), "st": ("ADDR", self.street), "ti": ("TITLE", self.title), "nrp": ("NRP", self.nation),
            "e": (None, fe.email), "ph": (None, self.phone), "d": (None, self.date), "n": (None, self.number), "t": (None, self.time), "m": (None, self.money),
            "x": (None, lambda: self.pick(*_FIELDS)), "id": (None, self.identifier), "s": (None, self.sentence), "w": (None, fe.word),
            "headw": (None, lambda: fe.word().capitalize()), "head": (None, self.heading), "u": (None, fe.url), "jt": (None, self.job),
            "tech": (None, self.technical_sentence), "techw": (None, self.technical),
        }  # fmt: skip
