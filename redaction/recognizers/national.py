"""Check digits of national identifiers, by country."""

from redaction.recognizers.checks import alnum_of, digits_of, luhn

_VERHOEFF_D = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_VERHOEFF_P = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ),
        strict=True,
    )
)


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """Add digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def nhs(value: str) -> bool:
    """United Kingdom, health service number: modulus 11 over ten digits."""
    digits = digits_of(value)
    control = 11 - weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 10 and len(set(digits)) > 1 and control % 11 == int(digits[9]) and control != 10


def ppsn(value: str) -> bool:
    """Ireland, personal public service number: modulus 23 over seven digits and an optional second letter."""
    text = alnum_of(value)
    second = ord(text[8]) - 64 if len(text) == 9 and text[8] != "W" else 0
    total = weighted(text[:7], (8, 7, 6, 5, 4, 3, 2)) + 9 * second
    return text[7] == "WABCDEFGHIJKLMNOPQRSTUV"[total % 23]


def nir(value: str) -> bool:
    """France, social security number: 97 minus the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    text = alnum_of(value)
    number = (
        text[:13].replace("2A", "19", 1)
        if text[5:7] == "2A"
        else text[:13].replace("2B", "18", 1)
        if text[5:7] == "2B"
        else text[:13]
    )
    return len(text) == 15 and number.isdigit() and text[13:].isdigit() and 97 - int(number) % 97 == int(text[13:])


def de_tax(value: str) -> bool:
    """Germany, tax identification number: ISO 7064 modulus 11, 10; one digit repeats."""
    digits = digits_of(value)
    if len(digits) != 11 or digits[0] == "0" or len(set(digits[:10])) not in {8, 9}:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def de_card(value: str) -> bool:
    """Germany, identity card: weights 7, 3, 1 over nine characters and their check digit."""
    text = alnum_of(value)
    if len(text) == 9:
        return any(char.isdigit() for char in text)
    return len(text) == 10 and sum(int(c, 36) * w for c, w in zip(text[:9], (7, 3, 1) * 3, strict=True)) % 10 == int(
        text[9], 36
    )


def bsn(value: str) -> bool:
    """Netherlands, citizen service number: the eleven test."""
    digits = digits_of(value).zfill(9)
    return (
        len(digits) == 9
        and int(digits) > 0
        and (weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) - int(digits[8])) % 11 == 0
    )


def nif(value: str) -> bool:
    """Spain, national (DNI) and foreigners' (NIE) numbers: control letter modulo 23."""
    text = alnum_of(value)
    number = str("XYZ".find(text[0])) + text[1:-1] if text[0] in "XYZ" else text[:-1]
    return number.isdigit() and len(text) == 9 and text[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def fiscal_code(value: str) -> bool:
    """Italy, fiscal code: control letter over fifteen characters."""
    text = alnum_of(value)
    if len(text) != 16:
        return False
    total = sum(_FISCAL_ODD[char] if place % 2 == 0 else _even(char) for place, char in enumerate(text[:15]))
    return text[15] == chr(65 + total % 26)


def _even(char: str) -> int:
    return int(char) if char.isdigit() else ord(char) - 65


def personnummer(value: str) -> bool:
    """Sweden, personal number: a date (day plus 60 for co-ordination numbers) and a Luhn digit."""
    digits = digits_of(value)[-10:]
    return len(digits) == 10 and _day(digits[2:4], digits[4:6], 60) and luhn(digits)


def pesel(value: str) -> bool:
    """Poland, PESEL: a date whose month carries the century, and a weighted check digit."""
    digits = digits_of(value)
    month = int(digits[2:4]) % 20
    control = (10 - weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10
    return len(digits) == 11 and _day(f"{month:02}", digits[4:6], 0) and control == int(digits[10])


def _day(month: str, day: str, shift: int) -> bool:
    number = int(day) - shift if int(day) > shift else int(day)
    return 1 <= int(month) <= 12 and 1 <= number <= 31


def cpf(value: str) -> bool:
    """Brazil, natural persons: two modulus 11 digits."""
    digits = digits_of(value)
    return (
        len(digits) == 11
        and len(set(digits)) > 1
        and all(_brazil(digits, n, tuple(range(n + 1, 1, -1))) for n in (9, 10))
    )


def cnpj(value: str) -> bool:
    """Brazil, companies: two modulus 11 digits."""
    digits = digits_of(value)
    first = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return (
        len(digits) == 14 and len(set(digits)) > 1 and _brazil(digits, 12, first) and _brazil(digits, 13, (6, *first))
    )


def _brazil(digits: str, place: int, weights: tuple[int, ...]) -> bool:
    rest = weighted(digits[:place], weights) % 11
    return int(digits[place]) == (0 if rest < 2 else 11 - rest)


def aadhaar(value: str) -> bool:
    """India, Aadhaar: twelve digits, the first from 2 to 9, with a Verhoeff digit."""
    digits = digits_of(value)
    check = 0
    for place, char in enumerate(reversed(digits)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[place % 8][int(char)])])
    return len(digits) == 12 and digits[0] not in "01" and check == 0


def pan(value: str) -> bool:
    """India, permanent account number: the fourth letter names the kind of holder."""
    return value[3].upper() in "ABCFGHJLPT"


def sin(value: str) -> bool:
    """Canada, social insurance number: Luhn over nine digits."""
    digits = digits_of(value)
    return len(digits) == 9 and int(digits) > 0 and luhn(digits)
