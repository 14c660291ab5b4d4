"""Recognizers of the group contact: e-mail, telephone, address, postcode, position, personal pages."""

import re

from redaction.recognizers import phones
from redaction.recognizers.base import JOINTS, Recognizer
from redaction.recognizers.checks import digits_of, has_digit

PHONE_WORDS = (
    r"\b(?:tel|tele?phones?|phones?|call(?:ed|ing|s)?|mobile?|mob|cell(?:ular|ulare|phone)?|fax|whats ?app|signal|sms"
    r"|text(?:ed|ing)?|reach(?:ed|able)?|ring|rang|dial|contact|land ?line|hotline|voicemail|callback|handy\w*"
    r"|telefon\w*|mobilnummer|durchwahl"
    r"|telefoon|telefone|celular|movil|portable|rappel|ruf\w*|numero|direct"
    r"|desk|office|work|home|ph|pager|extension|(?:my|your|his|her|their) registered|answer(?:ing|ed|s)? (?:at|on)"
    r"|messages? (?:to|at|on|from))\b"
    r"|\b(?:my|his|her|our|their) (?:new |old |own )?number\b|\b[tmpfohwc]:"
)
# Words that say a number counts or names something else.
_NUMBER_OF = (
    r"\b(?:part|sku|order|invoice|ref(?:erence)?|ticket|article|item|serial|batch|lot|model|case|id"
    r"|no|number|tracking|shipment|parcel|ups|fedex|dhl)\b"
)
# An extension, or the name of the line tied to the number: 555-0132-Office.
_EXT = r"(?: ?(?:x|ext\.?) ?\d{1,5}|-(?i:office|fax|mobile|cell|home|work|desk|direct|main)\b|\b)"
_SEP = r"[ ./()-]{0,2}"
_TRUNK = r"(?:\(0\d{1,4}\)[ ./-]{0,3}|\b0\d{1,4}[ ./-]{1,3})\d{2,8}(?:[ ./-]{1,3}\d{2,8}){0,3}"
_DOT = r"(?:dot|punkt|punto|point)"
_MAIL_WORDS = r"\b(?:e-?mail|mail|mailto|contact|address|adresse|correo)\b"
_STREET = (
    r"(?:street|st|road|rd|avenue|ave|boulevard|blvd|lane|ln|terrace|highway|hwy|parkway|pkwy|crescent|gardens"
    r"|mews|quay)"
)
# Other words of the US postal service's list: they count in title case, after a house number of two digits.
_STREET_TOO = (
    r"(?:Alley|Arcade|Bayou|Beach|Bend|Bluffs?|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Causeway|Centers?|Cir"
    r"|Circles?|Cliffs?|Close|Club|Commons?|Corners?|Course|Courts?|Coves?|Cres|Creek|Crest|Crossing|Crossroads?|Ct|Curve"
    r"|Dale|Dam|Divide|Dr|Drives?|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?"
    r"|Fort|Freeway|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?"
    r"|Knolls?|Lakes?|Land|Landing|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mills?|Mission|Motorway|Mount"
    r"|Mountains?|Neck|Orchard|Oval|Overpass|Parks?|Pass|Passage|Path|Pike|Pines?|Pl|Place|Plains?|Plaza|Points?|Ports?"
    r"|Prairie|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Route|Row|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Sq|Squares?|Station"
    r"|Stravenue|Stream|Summit|Ter|Throughway|Trace|Track|Trail|Trl|Trailer|Tunnel|Turnpike|Underpass|Unions?|Valleys?"
    r"|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?)"
)
_WORD = r"[A-Z][A-Za-z'.-]{1,14}"
_ORDINAL = r"\d{1,3}(?:st|nd|rd|th)"
_YEARLESS = r"[13-9]\d{3}|2[1-9]\d\d|\d{5})[A-Za-z]?"
_HOUSE = rf"(?:\d{{1,3}}|{_YEARLESS}"
_HOUSE_TOO = rf"(?:\d{{2,3}}|{_YEARLESS}"
_DE = (
    r"[A-Z][A-Za-z-]{1,24}(?:(?i:strasse|straxe|strase|str\.|gasse|platz|weg|allee|ufer|damm|steig|pfad|chaussee)|-Ring"
    r"|gatan|vagen|veien|gade|vej|katu|laan|straat|plein|utca)"
)
_ROMANCE = (
    r"(?:rue|avenue|boulevard|chemin|place|impasse|quai|via|viale|piazza|corso|largo|calle|avenida|av\."
    r"|plaza|paseo|rua|travessa|praca"
    r"|ulica|ul\.|jalan|jl\.)"
)
_PARTICLE = r"(?:(?:de|del|della|di|da|das|do|dos|des|du|la|le|les|los|las|l'|d') ?){0,3}"
_COORD = re.compile(r"-?\d+\.\d+")


def mail_domain(value: str) -> bool:
    """Refuse `git@host:` addresses of repositories and names of packages such as `lib@1.2.3`."""
    return not value.startswith("git@")


def gps(value: str) -> bool:
    """Check that two numbers are a latitude and a longitude."""
    pair = [abs(float(number)) for number in _COORD.findall(value)[:2]]
    return len(pair) == 2 and pair[0] <= 90 and pair[1] <= 180


def lone_number(value: str) -> bool:
    """Refuse one digit only, and round numbers such as 100000 that nobody dials."""
    return phones.local(value) and len(set(digits_of(value))) > 2


RECOGNIZERS = (
    Recognizer(
        "email",
        "EMAIL_ADDRESS",
        r"[A-Za-z0-9_][\w.+'-]{0,59}@[A-Za-z0-9\[]",
        0.95,
        run=r"[\w.-]",
        check=mail_domain,
        confirm=r"[A-Za-z0-9_][\w.+'-]{0,59}@(?:[A-Za-z0-9][\w-]{0,62}\.)+[A-Za-z][\w-]{0,61}[A-Za-z0-9]",
    ),
    Recognizer(
        "email_host",
        "EMAIL_ADDRESS",
        r"\b[A-Za-z0-9_][\w.+-]{0,39}@[A-Za-z][\w-]{1,20}",
        0.3,
        context=_MAIL_WORDS,
        near=0.7,
    ),
    Recognizer(
        "email_spelled",
        "EMAIL_ADDRESS",
        r"\b\w[\w.+-]{0,39} ?[\[({<] ?at ?[\])}>] ?\w[\w-]{0,30}(?: ?[\[({<]? ?(?:dot"
        r"|\.) ?[\])}>]? ?[a-z][a-z0-9-]{1,12}){1,3}",
        0.7,
        ignore_case=True,
        answers=False,
    ),
    Recognizer(
        "email_in_words",
        "EMAIL_ADDRESS",
        rf"\b\w[\w.+-]{{0,39}}(?: (?:{_DOT}|underscore|dash) \w[\w-]{{0,20}}){{0,2}} (?:at|arroba) \w[\w-]{{0,30}}"
        rf"(?: {_DOT} \w[\w-]{{0,20}}){{0,2}} {_DOT} (?:com|org|net|edu|gov|io|co|de|fr|uk|es|it)\b",
        0.7,
        ignore_case=True,
        answers=False,
    ),
    Recognizer(
        "phone_international",
        "PHONE_NUMBER",
        rf"\+\d(?:{_SEP}\d){{7,14}}{_EXT}",
        0.8,
        check=phones.international,
    ),
    Recognizer(
        "phone_00",
        "PHONE_NUMBER",
        rf"\b00[1-9](?:{_SEP}\d){{7,13}}{_EXT}",
        0.5,
        context=PHONE_WORDS,
        near=0.8,
        check=phones.international,
        joints=JOINTS,
    ),
    Recognizer(
        "phone_nanp",
        "PHONE_NUMBER",
        rf"(?:\b(?:001|1)[ .-])?(?:\(\d{{3}}\) ?|\b\d{{3}}[ ./-])\d{{3}}[ .-]\d{{4}}{_EXT}",
        0.6,
        context=PHONE_WORDS,
        near=0.9,
        check=phones.north_american,
        joints=JOINTS,
    ),
    Recognizer(
        "phone_trunk",
        "PHONE_NUMBER",
        rf"{_TRUNK}{_EXT}",
        0.55,
        context=_NUMBER_OF,
        near=0.25,
        reach=16,
        check=phones.trunk,
        joints=JOINTS,
    ),
    Recognizer(
        "phone_trunk_near_word",
        "PHONE_NUMBER",
        rf"{_TRUNK}(?:[ /-]{{1,3}}\d)?\b",
        0.1,
        context=PHONE_WORDS,
        near=0.65,
        check=lone_number,
        joints=JOINTS,
        reach=40,
    ),
    Recognizer(
        "phone_russia", "PHONE_NUMBER", rf"\b8 ?\(\d{{3}}\) ?\d{{3}}(?:[ -]?\d\d){{2}}{_EXT}", 0.6, joints=JOINTS
    ),
    Recognizer("phone_korea", "PHONE_NUMBER", rf"\b01[016-9]-\d{{3,4}}-\d{{4}}{_EXT}", 0.6, joints=JOINTS),
    # A mobile number of China right behind Chinese words, which are one sign each when they are read.
    Recognizer("phone_china", "PHONE_NUMBER", r"\x1a[ :]{0,2}(1[3-9]\d{9})\b", 0.6, group=1),
    Recognizer("phone_brazil", "PHONE_NUMBER", rf"(?:\(\d\d\)|\b\d\d) ?9?\d{{4}}-\d{{4}}{_EXT}", 0.5, joints=JOINTS),
    Recognizer(
        "phone_near_word",
        "PHONE_NUMBER",
        rf"(?:\(|\b)\d(?:{_SEP}\d){{5,13}}{_EXT}",
        0.1,
        context=PHONE_WORDS,
        near=0.6,
        check=lone_number,
        joints=JOINTS,
        reach=40,
    ),
    Recognizer(
        "street_number_first",
        "STREET_ADDRESS",
        rf"\b{_HOUSE}(?:[-/]\d{{1,4}})? (?:[NSEW]{{1,2}}\.? )?(?:(?:{_WORD}|{_ORDINAL}) ){{1,2}}(?i:{_STREET})\b\.?",
        0.75,
    ),
    Recognizer(
        "street_number_first_too",
        "STREET_ADDRESS",
        rf"\b{_HOUSE_TOO}(?:[-/]\d{{1,4}})? (?:[NSEW]{{1,2}}\.? )?(?:(?:{_WORD}|{_ORDINAL}) ){{1,2}}{_STREET_TOO}\b\.?",
        0.75,
    ),
    Recognizer(
        "street_with_unit",
        "STREET_ADDRESS",
        rf"\b\d{{1,5}}[A-Za-z]? (?:{_WORD} ){{1,3}}(?i:apt|apartment|suite|ste|unit)\b\.? ?#?[A-Za-z0-9]{{1,5}}\b",
        0.8,
        answers=False,
    ),
    Recognizer(
        "street_before_state",
        "STREET_ADDRESS",
        rf"\b\d{{1,5}}[A-Za-z]? (?:{_WORD},? ){{2,5}}[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?\b",
        0.8,
        answers=False,
    ),
    Recognizer("street_german", "STREET_ADDRESS", rf"\b{_DE} \d{{1,4}}(?:[/-]\d{{1,4}})? ?[a-z]?\b", 0.75),
    Recognizer(
        "street_romance",
        "STREET_ADDRESS",
        rf"\b(?:\d{{1,4}}(?: ?bis| ?ter)?,? )(?i:{_ROMANCE}) {_PARTICLE}{_WORD}(?: {_WORD})?",
        0.7,
        answers=False,
    ),
    Recognizer(
        "street_romance_last",
        "STREET_ADDRESS",
        rf"\b(?i:{_ROMANCE}) {_PARTICLE}{_WORD}(?: {_PARTICLE}{_WORD})?,? (?:n[. ]{{1,2}})?\d{{1,5}}\b",
        0.7,
        answers=False,
    ),
    Recognizer(
        "po_box",
        "STREET_ADDRESS",
        r"\b(?:P\.?O\.? Box|Postfach|Apartado|Casella Postale) \d{1,6}\b",
        0.75,
        ignore_case=True,
    ),
    Recognizer(
        "postcode_uk",
        "POSTCODE",
        r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b",
        0.4,
        context=r"\b(?:post ?code|zip|address|street|road|lane|avenue|london|uk|england|scotland|wales)\b",
        near=0.7,
        joints=JOINTS,
    ),
    Recognizer("postcode_spaced_uk", "POSTCODE", r"\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b", 0.5, joints=JOINTS),
    Recognizer("postcode_ca", "POSTCODE", r"\b[ABCEGHJ-NPRSTVXY]\d[A-Z] ?\d[A-Z]\d\b", 0.5, joints=JOINTS),
    Recognizer(
        "zip_after_state",
        "POSTCODE",
        r"\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]"
        r"|T[NX]|UT|V[AT]|W[AIVY]|PR|GU|VI|AS|MP|FM|MH|PW|A[AEP]) (\d{5}(?:-\d{4})?)\b",
        0.6,
        group=1,
    ),
    Recognizer(
        "zip_plus4",
        "POSTCODE",
        r"\b\d{5}-\d{4}\b",
        0.3,
        context=r"\b(?:zip|postal|post ?code|address|street|ave|avenue|road|st)\b",
        near=0.7,
        joints=JOINTS,
    ),
    Recognizer(
        "postcode_near_word",
        "POSTCODE",
        r"\b(?:zip(?: ?code)?|postal ?code|post ?code|plz|codigo postal"
        r"|code postal)\b[ :#=]{1,4}(?:is\b[ :]{1,2})?([A-Z0-9][A-Z0-9 -]{2,8}[A-Z0-9])\b",
        0.75,
        group=1,
        ignore_case=True,
        check=has_digit,
    ),
    Recognizer(
        "gps_pair",
        "GPS_COORDINATES",
        r"-?\b\d{1,2}\.\d{4,12} ?[,;/ ] ?-?\d{1,3}\.\d{4,12}\b",
        0.75,
        check=gps,
        joints=".",
    ),
    Recognizer(
        "gps_labelled",
        "GPS_COORDINATES",
        r"\b(?:lat|latitude|lon|lng|long|longitude)\"?[ :=]{1,3}(-?\d{1,3}\.\d{3,12})\b",
        0.75,
        group=1,
        ignore_case=True,
    ),
    Recognizer(
        "gps_degrees",
        "GPS_COORDINATES",
        r"\b\d{1,3}[*o] ?\d{1,2}['] ?(?:\d{1,2}(?:\.\d{1,4})?[\"]? ?)?[NSEW]\b",
        0.75,
    ),
    Recognizer(
        "personal_page",
        "URL",
        r"(?:\bhttps?://)?\b(?:www\.)?(?:linkedin\.com/in|facebook\.com|instagram\.com|twitter\.com|x\.com"
        r"|tiktok\.com/@?|t\.me)/[\w.%@-]{2,20}",
        0.6,
        ignore_case=True,
    ),
    Recognizer("url", "URL", r"\bhttps?://[A-Za-z0-9]", 0.3, run=r"[\w./?&=%#~:@+,;!*'()-]", ignore_case=True),
)
