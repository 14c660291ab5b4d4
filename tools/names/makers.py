"""Makers of places, organisations and codes for the training templates."""

from typing import TYPE_CHECKING

from faker import Faker

if TYPE_CHECKING:
    from tools.names.slots import Slots

_FORMS = (
    ", Inc|, Inc.| Inc| Inc.| Ltd| Ltd.| LLC|, LLC| GmbH| AG| Corp| Corp.| Corporation| SA| BV| AB| Pty Ltd| Co."
    "| Company| PLC| plc| S.p.A.| Group| Holdings| LP| L.P.| N.V.| Oy"
)
_BEFORE_PLACES = ("North", "South", "East", "West", "New", "Port", "Mount", "Lake", "St.", "Upper")


class Places:
    """Cities, countries and addresses in many local forms."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots

    def place(self) -> str:
        s, us = self._slots, self._slots.english
        kind = s.random.choices(range(8), (42, 10, 5, 6, 6, 6, 16, 9))[0]
        makers = (
            lambda: s.latin(s.fake().city, "Lyon"),
            us.country,
            us.state,
            lambda: s.listed("place_codes"),
            lambda: f"{us.city()}, {us.state_abbr()}",
            lambda: f"{s.pick(*_BEFORE_PLACES)} {s.last()}",
            lambda: s.listed("cities"),
            lambda: s.listed("countries"),
        )
        return str(makers[kind]())

    def street(self) -> str:
        return self._slots.latin(self._slots.fake().street_address, "12 High Street").split("\n")[0]

    def address(self) -> str:
        s, fake, draw = self._slots, self._slots.fake(), self._slots.random.random()
        if draw < 0.4:
            text = s.latin(fake.address, "12 High Street\nLeeds LS1 4AP")
            return s.pick(text, text.replace("\n", ", "), text.replace("\n", ", "), text.replace("\n", " "))
        return self.street() if draw < 0.55 else self._built(fake)

    def _built(self, fake: Faker) -> str:
        s, us, n = self._slots, self._slots.english, self._slots.random.randint
        street, city = self.street(), s.latin(fake.city, "Lyon")
        post = str(fake.postcode()) if n(0, 9) < 8 else str(us.postcode())
        country, state = s.pick(str(us.country()), str(us.country_code()), ""), str(us.state_abbr())
        units = (
            " Apt. %",
            " Suite %",
            " Unit %",
            "/%",
            ", Flat %",
            " #%",
            ", Floor %",
            " Apt %B",
            ", Ste. %",
            "",
            "",
            "",
        )
        gap = s.pick("\n", ", ", ", ", "\n    ", "\n ", " ", "\n, ")
        line = street + s.pick(*units).replace("%", str(n(1, 400))) + gap
        forms = (
            *(
                f"{line}{city}{gap}{country} {post}",
                f"{line}{post} {city}{gap}{country}",
                f"{line}{city}, {state} {post}",
            ),
            *(f"{n(1, 9999)} {line}{city} {state} {post}", f"{n(1, 9999)} {line}{city}{gap}{post}{gap}{country}"),
            *(f"{line}{city.upper()}{gap}{state}{gap}{post}", f"{line}{city}{gap}{country}", f"{line}{city}", street),
            f"P.O. Box {n(1, 9999)}{gap}{city}{gap}{post}",
        )
        return s.pick(*forms).strip(" ,\n")


class Organisations:
    """Companies and public bodies, most of them invented."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots

    def make(self) -> str:
        makers = (
            self._faked,
            self._named,
            self._coined,
            self._worded,
            self._partners,
            self._local,
            self._of,
            self._short,
        )
        weights = (22, 14, 12, 12, 8, 8, 4, 4)
        s = self._slots
        if s.random.random() < 0.14:
            return s.listed("organisations")
        return s.random.choices(makers, weights)[0]()

    def _form(self) -> str:
        return self._slots.pick("", "", "", *_FORMS.split("|"))

    def _faked(self) -> str:
        return self._slots.latin(self._slots.fake().company, "Ferrante Ltd")

    def _named(self) -> str:
        s = self._slots
        return s.pick(
            f"{s.last()} {s.listed('sectors')}",
            f"{s.last()} {s.listed('sectors')}{self._form()}",
            f"{s.last()}{self._form()}",
        )

    def _coined(self) -> str:
        return self._slots.listed("coined_heads") + self._slots.listed("coined_tails") + self._form()

    def _worded(self) -> str:
        s = self._slots
        return f"{s.listed('coined_heads')} {s.listed(s.pick('sectors', 'sectors', 'coined_heads'))}{self._form()}"

    def _partners(self) -> str:
        s = self._slots
        tail = s.pick(" LLP", "", " Ltd", " Associates", " & Sons", " Law", " and Sons", " Inc")
        return f"{s.last()}{s.pick(' & ', ' and ', ', ')}{s.last()}{tail}"

    def _local(self) -> str:
        s = self._slots
        return f"{s.places.place().split(',')[0]} {s.listed(s.pick('sectors', 'public_bodies'))}"

    def _of(self) -> str:
        return f"{self._slots.listed('bodies_of')} of {self._slots.places.place().split(',')[0]}"

    def _short(self) -> str:
        s = self._slots
        letters = "".join(s.random.choices("ABCDEFGHIKLMNPRSTUVW", k=s.random.choice((2, 3, 3, 4))))
        return letters + s.pick("", "", " Group", " Bank", " Ltd", " Inc.")


class Codes:
    """Dates, numbers, hashes and technical sentences: what must not be taken for a name."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots

    def date(self) -> str:
        s, fe = self._slots, self._slots.english
        day = f"{fe.month_name()} {s.random.randint(1, 28)}"
        near = s.pick("tomorrow", f"next {fe.day_of_week()}", str(fe.day_of_week()), str(fe.year()))
        return s.pick(
            fe.date(), fe.date(pattern="%d %B %Y"), near, near, day, fe.date(pattern="%m/%d/%Y"), fe.iso8601()
        )

    def number(self) -> str:
        return str(self._slots.random.randint(1, 99_999))

    def time(self) -> str:
        s = self._slots
        return f"{s.random.randint(1, 12)}{s.pick('am', 'pm', ':30', ':15 pm', ' o’clock', ':05:17')}"

    def money(self) -> str:
        return f"{self._slots.pick('$', '€', '£', 'USD ', 'EUR ')}{self._slots.random.randint(10, 99_999):,}"

    def case(self) -> str:
        s = self._slots
        return s.pick("INC", "TCK", "CASE", "ORD", "INV", "#", "PO-", "REQ", "TKT-", "A-") + str(
            s.random.randint(1000, 999_999)
        )

    def hash(self) -> str:
        s, fe = self._slots, self._slots.english
        isbn, code = str(fe.isbn13()), fe.bothify("??-####-??##").upper()
        return s.pick(
            fe.sha256(),
            fe.sha1(),
            fe.md5(),
            fe.sha1()[:8],
            fe.uuid4(),
            isbn,
            code,
            fe.ean13(),
            fe.bothify("?#?#?##??#?"),
        )

    def technical_sentence(self) -> str:
        s, fe = self._slots, self._slots.english
        a, b, n, word = s.technical(), s.technical(), s.random.randint(1, 999), fe.word()
        forms = (
            *(f"{a} returns {n} when {b} is down.", f"The {a} timeout is {n} ms.", f"{a}: connection to {b} refused"),
            *(
                f"Upgrade {a} to {n}.{n % 10} and restart {b}.",
                f"{a} {b} failed with code {n}",
                f"see the {a} logs in {b}",
            ),
            *(f"We run {a} behind {b} in production.", f"{fe.sentence()} {a}!", f"{a} v{n % 9}.{n % 7} breaks {b}"),
            *(
                f"The {a} {word} needs {b} {fe.word()}.",
                f"{s.heading()} ({a}/{b})",
                f"fix({a}): {word} {b} {fe.word()}",
            ),
            *(f"{a} {s.codes.hash()} {word}", f"commit {s.codes.hash()} by {a}", f"{a}_{word}_{n} = {b}.{word}({n})"),
            *(f"Use {a}, {b} or {s.technical()} for {word}.", f"Does {a} work with {b}?", f"{a} {n}, {b} {n % 13}"),
        )
        return s.pick(*forms)
