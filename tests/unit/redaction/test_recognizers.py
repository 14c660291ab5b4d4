"""Every built-in kind: texts in which it is found, exactly as written, and texts in which nothing is."""

import pytest

from policy.kinds import GROUPS
from redaction.find import Finder
from redaction.recognizers.catalogue import BUILT_IN
from redaction.resolve import resolve
from redaction.types import Entity

FOUND = [
    # contact
    ("EMAIL_ADDRESS", "write to «john.doe+x@example.com», please"),
    ("EMAIL_ADDRESS", "internal: «root@mail.corp.internal»."),
    ("EMAIL_ADDRESS", "«o'brien@example.co.uk»"),
    ("EMAIL_ADDRESS", "«jörg@müller.de»"),
    ("EMAIL_ADDRESS", "url-encoded «john%40example.com» here"),
    ("EMAIL_ADDRESS", "entities «john&#64;example.com»"),
    ("EMAIL_ADDRESS", r"escaped «john\u0040example.com»"),
    ("EMAIL_ADDRESS", r"escaped «john\u{40}example.com»"),
    ("EMAIL_ADDRESS", "unseen «jo\u200bhn@exam\u00adple.com»"),
    ("EMAIL_ADDRESS", "lookalike «jоhn@ехample.com»"),
    ("EMAIL_ADDRESS", "wide «john＠example．com»"),
    ("EMAIL_ADDRESS", "base64 «am9obi5kb2VAZXhhbXBsZS5jb20=»"),
    ("EMAIL_ADDRESS", "hex «6a6f686e406578616d706c652e636f6d»"),
    ("EMAIL_ADDRESS", "spelled «john (at) example (dot) com»"),
    ("PHONE_NUMBER", "«+49 (0)30 901820»"),
    ("PHONE_NUMBER", "«+1-415-555-0132»"),
    ("PHONE_NUMBER", "ring «(415) 555-0132 x12»"),
    ("PHONE_NUMBER", "«415.555.0132»"),
    ("PHONE_NUMBER", "«020 7946 0958»"),
    ("PHONE_NUMBER", "«01 23 45 67 89»"),
    ("PHONE_NUMBER", "phone:«5551234567»"),
    ("PHONE_NUMBER", "번호는 «010-1234-5678»입니다"),
    ("PHONE_NUMBER", "手机号是«13812345678»，请回电"),
    ("PHONE_NUMBER", "Telefonnummer «3018 2244»"),
    ("ROUTING_NUMBER", '"sort_code":"«12-34-56»"'),
    ("PASSWORD", "the password for the wifi is «Tr0ub4dor&3»"),
    ("PHONE_NUMBER", "«001-799-123-4567x123»"),
    ("PHONE_NUMBER", "«780-775-0277-Office», next"),
    ("PHONE_NUMBER", r"Desk:\n«070 4493 5104»\nMobile: then"),
    ("PHONE_NUMBER", "They are not answering at «53-55-05-64» today"),
    ("PHONE_NUMBER", "fax «415/555-0132»"),
    ("PHONE_NUMBER", "Telefon «089 / 12345678»"),
    ("PHONE_NUMBER", "call 0044 then no: tel «0044 20 7946 0958»"),
    ("STREET_ADDRESS", "lives at «742 Evergreen Terrace», Springfield"),
    ("STREET_ADDRESS", "«Hauptstraße 12» in Berlin"),
    ("STREET_ADDRESS", "au «12 rue de la Paix»"),
    ("STREET_ADDRESS", "«P.O. Box 1234»"),
    ("STREET_ADDRESS", "ship to «2291 Whitney Harbor Apt. 945», please"),
    ("STREET_ADDRESS", "in «Kläre-Bärer-Gasse 26/1»."),
    ("PHONE_NUMBER", "My number is «07285746382»"),
    ("PHONE_NUMBER", "«47 97429-5884»"),
    ("PHONE_NUMBER", "«(0141)4960119»"),
    ("PHONE_NUMBER", "«00420 607 971 092»"),
    ("US_BANK_NUMBER", "account number «JIQG79061016282271»"),
    ("LICENSE_PLATE", "plate number: «639 GGB»"),
    ("POSTCODE", "London «SW1A 1AA»"),
    ("POSTCODE", "San Francisco, CA «94107»"),
    ("GPS_COORDINATES", "at «52.520008, 13.404954»"),
    ("URL", "see «linkedin.com/in/jane-doe-1234»"),
    # identity
    ("US_SSN", "ssn:«914276083»"),
    ("US_SSN", "«123-45-6789»"),
    ("US_SSN", "«914-27-6083»"),
    ("US_SSN", "ssn «914 27 6083»"),
    ("US_SSN", "social security number «914276083»"),
    ("PASSPORT", "passport no: «C01X00T47»"),
    ("DRIVER_LICENSE", "driver's license «D1234567»"),
    ("UK_NHS", "NHS number «943 476 5919»"),
    ("UK_NINO", "«AB 12 34 56 C»"),
    ("IE_PPSN", "PPS «1234567FA»"),
    ("FR_NIR", "«1 85 05 78 006 084 91»"),
    ("DE_TAX_ID", "Steuer-ID «86 095 742 719»"),
    ("DE_ID_CARD", "Personalausweis «L01X00T471»"),
    ("NL_BSN", "BSN «111222333»"),
    ("ES_NIF", "DNI «12345678Z»"),
    ("ES_NIE", "NIE «X1234567L»"),
    ("IT_FISCAL_CODE", "«RSSMRA85T10A562S»"),
    ("SE_PERSONNUMMER", "«811228-9874»"),
    ("PL_PESEL", "PESEL «44051401359»"),
    ("PL_PESEL", "mistyped PESEL: «58110312345»"),
    ("IT_FISCAL_CODE", "mistyped CF: «BNCMRC80A01F205X»"),
    ("UK_NINO", "NI no. «QQ 12 34 56 C»"),
    ("DRIVER_LICENSE", "licence «M1234-56789-01234»"),
    ("HEALTH_MEMBER_ID", "health card «1234-567-890-AB»"),
    ("US_SSN", "last 4 of my SSN: «0143»"),
    ("DRIVER_LICENSE", "licence no. «OKAFO803155T99AB»"),
    ("CRYPTO", "litecoin address «LfPsC5a8z9Lk3nVJ9mNnT5bQ2uRzYwXpKd»"),
    ("LICENSE_PLATE", "VRM «KX18 FDY»"),
    ("LICENSE_PLATE", "kenteken «12-ABC-3»"),
    ("EMAIL_ADDRESS", "or «mike dot jones at gmail dot com»"),
    ("EMAIL_ADDRESS", "«lena punkt vogt at web punkt de»"),
    ("PHONE_NUMBER", "«8 (916) 123-45-67»"),
    ("STREET_ADDRESS", "to «221 W 29th St», New York"),
    ("SECRET", "the api key: «9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08»"),
    ("US_BANK_NUMBER", "sort code below, acc «55779911»"),
    ("BR_CPF", "«123.456.789-09»"),
    ("BR_CNPJ", "«11.222.333/0001-81»"),
    ("IN_AADHAAR", "Aadhaar «2341 2341 2346»"),
    ("IN_PAN", "PAN «ABCPE1234F»"),
    ("CA_SIN", "SIN «046 454 286»"),
    ("NATIONAL_ID", "national id: «AB1234567»"),
    # finance
    ("CREDIT_CARD", "card «4111 1111 1111 1111»"),
    ("CREDIT_CARD", "«4111111111111111»"),
    ("CREDIT_CARD", "«4111.1111.1111.1111»"),
    ("CREDIT_CARD", "my card is «4111 1111 1111 1112»"),
    ("CREDIT_CARD", "wide «４１１１ １１１１ １１１１ １１１１»"),
    ("CREDIT_CARD", "no-break «4111\u00a01111\u00a01111\u00a01111» 12/26 and 3"),
    ("CARD_CVV", "cvv: «123»"),
    ("CARD_EXPIRY", "expires «12/27»"),
    ("IBAN_CODE", "«DE89 3704 0044 0532 0130 00» please"),
    ("IBAN_CODE", "«gb82west12345698765432»"),
    ("SWIFT_BIC", "BIC «COBADEFF»"),
    ("US_BANK_NUMBER", "account «954567876544»"),
    ("ROUTING_NUMBER", "routing «021000021»"),
    ("ROUTING_NUMBER", "sort code «12-34-56»"),
    ("CRYPTO", "«0x52908400098527886E0F7030069857D2E4169EE7»"),
    # health
    ("MEDICAL_RECORD_NUMBER", "MRN: «A1234567»"),
    ("HEALTH_MEMBER_ID", "member id «XYZ123456789»"),
    ("US_NPI", "NPI «1234567893»"),
    ("US_DEA", "DEA «AB1234563»"),
    ("DATE_OF_BIRTH", "DOB: «03/14/1985»"),
    ("DATE_OF_BIRTH", "born on «March 14, 1985»"),
    ("AGE_OVER_89", "«93» years old"),
    # technical
    ("IP_ADDRESS", "from «10.20.30.40»."),
    ("IP_ADDRESS", "«2001:db8::1»"),
    ("MAC_ADDRESS", "«00:1b:44:11:3a:b7»"),
    ("IMEI", "IMEI «490154203237518»"),
    ("VIN", "«1HGCM82633A004352»"),
    ("LICENSE_PLATE", "license plate «7ABC123»"),
    ("COOKIE", "session_id=«a8f5f167f44f4964e6c998dee827110c»"),
    ("COOKIE", "GET /home session=«3f9a77e2b1c44d0e9a1b» 200"),
    ("DATE_OF_BIRTH", "née le «4 juin 1990» à Nice"),
    ("DATE_OF_BIRTH", "fecha de nacimiento: «4 de junio de 1990»"),
    ("DATE_OF_BIRTH", "geboren am «4. März 1990» in Ulm"),
    ("DATE_OF_BIRTH", "geboren te Utrecht op «5 mei 1975»,"),
    ("DATE_OF_BIRTH", "nato il «12 maggio 1971»"),
    ("DATE_OF_BIRTH", "data urodzenia: «12.05.1971»"),
    ("HEALTH_MEMBER_ID", "Krankenversichertennummer ist «A123456780»"),
    ("PHONE_NUMBER", "Tel. «0512 / 34 56 78-0» Innsbruck"),
]

CLEAN = [
    "Order ORD-2024-118273 was shipped on 2024-11-22T10:15:30Z in 3 parcels, invoice 4711001234.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b, md5 d41d8cd98f00b204e9800998ecf8427e",
    "id 550e8400-e29b-41d4-a716-446655440000 and ISBN 978-3-16-148410-0",
    "Version 1.2.3.4 of lib@4.17.21 runs on Python 3.11.7; see section 10.2.1.3.",
    "We sold 1,234,567 units at $129.90 in 2019-2023, up 12.5 % (n = 48213).",
    "git clone git@github.com:example/repo.git && npm i @scope/pkg@1.2.3",
    "the password is required; secret: none; token = your_token_here; api_key=${API_KEY}",
    "data 12:30:45 and ratio 16:9, tel aviv, call me maybe, card games, iban",
    "ticket INC0012345, part 0445 110 376, SKU 8412345678905, tracking 1Z999AA10123456784",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "In 2019 Apple Drive grew; 3 Big Drive bays, 5 Easy Way steps; at 12:30:45 we met.",
    "a market cap of 200000; order number is 07285746382; 12 Monkeys; registration is open 2024",
    "main.py imports server.py; x = a[1:2] if b::c else d",
    "The S3 bucket and EKS cluster in us-east-1 cost 42 USD; nginx listens on port 8080.",
]


def plain(marked: str) -> tuple[str, str]:
    return marked.replace("«", "").replace("»", ""), marked.partition("«")[2].partition("»")[0]


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(BUILT_IN, b"k" * 32)


def acting(found: list[Entity], text: str) -> list[Entity]:
    return resolve((entity for entity in found if entity.score >= 0.45), text)


@pytest.mark.parametrize(("kind", "marked"), FOUND)
def test_value_is_found_exactly(finder: Finder, kind: str, marked: str) -> None:
    text, value = plain(marked)
    assert [(one.kind, text[one.start : one.end]) for one in acting(finder.find(text), text)] == [(kind, value)]


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_a_value_is_left(finder: Finder, text: str) -> None:
    assert [(one.kind, text[one.start : one.end], one.recognizer) for one in acting(finder.find(text), text)] == []


def test_every_kind_of_the_policy_vocabulary_has_a_recognizer_or_comes_from_the_names_model() -> None:
    named = {recognizer.kind for recognizer in BUILT_IN}
    aliases = {"US_ITIN", "US_PASSPORT", "US_DRIVER_LICENSE"}  # found under US_SSN, PASSPORT and DRIVER_LICENSE
    missing = {kind for group, kinds in GROUPS.items() if group != "names" for kind in kinds} - named - aliases
    assert missing == set()


def test_recognizers_have_names_of_their_own() -> None:
    names = [recognizer.name for recognizer in BUILT_IN]
    assert len(names) == len(set(names))
