"""Values that fill the slots of the training templates, drawn from Faker and the lists beside this file."""

import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from faker import Faker

from tools.names.makers import Codes, Organisations, Places

LISTS = Path(__file__).parent / "lists"
# Languages written in Latin letters; English ones more often.
_LOCALES = """
    en_US en_US en_US en_US en_US en_GB en_GB en_AU en_CA en_IN en_IE en_NZ en_PH en_KE en_NG de_DE de_AT de_CH fr_FR
    fr_CA es_ES es_MX es_CO it_IT nl_NL pt_BR pt_PT sv_SE da_DK fi_FI no_NO pl_PL cs_CZ hu_HU tr_TR id_ID ro_RO hr_HR
    sl_SI sk_SK et_EE lv_LV lt_LT vi_VN yo_NG ha_NG zu_ZA
"""
Maker = Callable[[], str]


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
        self._fakers = [Faker(locale) for locale in _LOCALES.split()]
        for number, fake in enumerate(self._fakers):
            fake.seed_instance(seed * 1000 + number)
        self.english = self._fakers[0]
        self._lists: dict[str, list[str]] = {}
        self._prose = prose + ([] if holdout else read_list("prose") * 20)
        self._nations = [word.capitalize() for line in read_list("nationalities") for word in line.split()]
        self._technical = [w for line in read_list("technical") for w in line.split() if held_out(w) == holdout]
        self.places, self.organisations, self.codes = Places(self), Organisations(self), Codes(self)

    def pick(self, *choices: str) -> str:
        """Return one of the choices."""
        return self.random.choice(choices)

    def listed(self, name: str) -> str:
        """Return a line of a list; for evaluation only from its held-out part, where it has one."""
        if name not in self._lists:
            lines = read_list(name)
            own = [line for line in lines if held_out(line) == self._holdout]
            self._lists[name] = own if name == "organisations" else lines
        return self.random.choice(self._lists[name])

    def fake(self) -> Faker:
        """Return a random language's Faker."""
        return self.random.choice(self._fakers)

    def latin(self, make: Maker, default: str) -> str:
        """Return a made value in Latin letters."""
        return next((value for value in (str(make()) for _ in range(20)) if latin(value)), default)

    def _name(self, make: Maker, default: str) -> str:
        values = (str(make()) for _ in range(60))
        first = ((value, value.split()) for value in values)
        return next((v for v, words in first if latin(v) and held_out(words[0]) == self._holdout), default)

    def first(self) -> str:
        return self._name(self.fake().first_name, "Maria")

    def last(self) -> str:
        return self._name(self.fake().last_name, "Novak")

    def person(self) -> str:
        fake = self.fake()
        first, last = self._name(fake.first_name, "Maria"), self._name(fake.last_name, "Novak")
        initial, join = self.pick(*"ABCDEFGHJKLMNPRSTW"), self.listed("name_joins")
        suffix = self.pick("Jr.", "Sr.", "III", "II", "Jr")
        forms = {
            f"{first} {last}": 60, f"{first} {initial}. {last}": 8, f"{first} {initial} {last}": 3,
            f"{first[0]}. {last}": 4, f"{first[0]}.{initial}. {last}": 2, f"{last}, {first}": 4,
            f"{first} {last}-{self.last()}": 4, f"{first} {join} {last}": 3, f"{first} {self.first()} {last}": 4,
            f"{first} {last} {suffix}": 2, last: 3, first: 2, f"{first} {last}".upper(): 3, f"{last} {first}": 1,
        }  # fmt: skip
        return self.random.choices(list(forms), list(forms.values()))[0]

    def sentence(self) -> str:
        if not self._prose or self.random.random() < 0.15:
            return str(self.english.sentence())
        return self.random.choice(self._prose)

    def heading(self) -> str:
        """Return a few capitalised plain words, some of them from real sentences."""
        words = re.findall(r"[^\W\d_]{2,}", self.sentence()) if self.random.random() < 0.6 else []
        length = self.random.randint(2, 5)
        if len(words) <= length:
            words = [self.english.word() for _ in range(length)]
        start = self.random.randrange(len(words) - length + 1)
        return " ".join(word.capitalize() for word in words[start : start + length])

    def technical(self) -> str:
        word = self.random.choice(self._technical)
        return self.pick(word, word, word.upper(), word.capitalize() if len(word) > 3 else word.upper())

    def nation(self) -> str:
        return self.random.choice(self._nations)

    def job(self) -> str:
        return self.pick(str(self.english.job()), self.listed("jobs"), self.listed("roles").lower())

    def makers(self) -> dict[str, tuple[str | None, Maker]]:
        """Return for each slot its label (None: not personal) and its maker."""
        fe, codes, places = self.english, self.codes, self.places
        return {
            **{"p": ("PER", self.person), "f": ("PER", self.first), "l": ("PER", self.last)},
            **{"c": ("LOC", places.place), "a": ("ADDR", places.address), "st": ("ADDR", places.street)},
            **{"o": ("ORG", self.organisations.make), "nrp": ("NRP", self.nation)},
            **{"ti": ("TITLE", lambda: self.listed("titles_written")), "nat": (None, self.nation)},
            **{"e": (None, fe.email), "u": (None, fe.url), "ph": (None, fe.phone_number), "d": (None, codes.date)},
            **{"n": (None, codes.number), "t": (None, codes.time), "m": (None, codes.money), "id": (None, codes.case)},
            **{"hash": (None, codes.hash), "w": (None, fe.word), "headw": (None, lambda: fe.word().capitalize())},
            **{"x": (None, lambda: self.listed("products")), "jt": (None, self.job), "head": (None, self.heading)},
            **{
                "role": (None, lambda: self.listed("roles")),
                "s": (None, self.sentence),
                "techw": (None, self.technical),
            },
            "tech": (None, codes.technical_sentence),
        }
