"""Values for the training templates of languages that are not written in Latin letters, drawn from Faker."""

from collections.abc import Callable
from random import Random

from faker import Faker

from tools.names.slots import held_out

Maker = Callable[[], str]
# Family name first, nothing between the names.
_TOGETHER = frozenset({"zh_CN", "zh_TW", "ko_KR"})
_ENDINGS = ("а", "у", "ом", "е", "")


class Script:
    """Random values of one language; `holdout` draws names from the part that training never sees."""

    def __init__(self, locale: str, seed: int, *, holdout: bool) -> None:
        self.random = Random(seed)
        self._locale, self._holdout = locale, holdout
        self._fake = Faker(locale)
        self._fake.seed_instance(seed)

    def makers(self) -> dict[str, tuple[str | None, Maker]]:
        """Return for each slot its label (None: not personal) and its maker."""
        fake = self._fake
        return {
            **{"p": ("PER", self.person), "f": ("PER", self.first), "l": ("PER", self.last)},
            **{"fi": ("PER", lambda: self._bent(self.first())), "li": ("PER", lambda: self._bent(self.last()))},
            **{"c": ("LOC", fake.city), "st": ("ADDR", lambda: str(fake.street_address()).split("\n")[0])},
            **{"o": ("ORG", fake.company), "s": (None, fake.sentence), "e": (None, fake.ascii_email)},
            **{"ph": (None, fake.phone_number), "d": (None, fake.date), "n": (None, lambda: str(fake.year()))},
            "id": (None, lambda: str(self.random.randint(1000, 999_999))),
        }

    def first(self) -> str:
        return self._kept(self._fake.first_name)

    def last(self) -> str:
        return self._kept(self._fake.last_name)

    def person(self) -> str:
        if self._locale in _TOGETHER:
            return self.last() + self.first()
        if self._locale == "ja_JP":
            return self.last() + self.random.choice(("", " ", "\u3000")) + self.first()
        return f"{self.first()} {self.last()}"

    def _kept(self, make: Maker) -> str:
        values = [str(make()) for _ in range(40)]
        return next((value for value in values if held_out(value) == self._holdout), values[0])

    def _bent(self, name: str) -> str:
        """Return a name of a Slavic language in one of its cases, about as it would be."""
        if name[-1:] in "ая":
            return name[:-1] + self.random.choice(("ы", "е", "у", "ой"))
        return name if name[-1:] in "йьео" else name + self.random.choice(_ENDINGS)
