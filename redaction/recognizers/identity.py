"""Recognizers of the group identity: social security, passports, licences, national numbers of twelve countries."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from redaction.recognizers import checks, national
from redaction.recognizers.base import JOINTS, Recognizer

_SSN_WORDS = (
    r"\b(?:ssn|ssns|soc(?:ial)?(?: sec(?:urity)?)?|social security|itin|tin|tax ?(?:payer)? ?id\w*"
    r"|taxpayer)\b"
)
_RIGHT_BEFORE = 30  # characters between a number and its name
_NEAR_MISS = 0.58  # below a telephone number that is called one
_IS = r"[\"' :=#.]{0,3}(?:(?:is|no|nr|number|num|id|code|card)\b[\"' :=#.]{0,3}){0,2}"

_FOUND = (
    Recognizer("ssn_dashed", "US_SSN", r"\b\d{3}-\d{2}-\d{4}\b", 0.85, check=checks.ssn, joints=JOINTS),
    Recognizer(
        "ssn_spaced",
        "US_SSN",
        r"\b\d{3}[ .]\d{2}[ .]\d{4}\b",
        0.5,
        context=_SSN_WORDS,
        near=0.9,
        check=checks.ssn,
        joints=JOINTS,
    ),
    Recognizer("ssn_plain", "US_SSN", r"\b\d{9}\b", 0.1, context=_SSN_WORDS, near=0.8, check=checks.ssn, joints=JOINTS),
    Recognizer(
        "ssn_near_word",
        "US_SSN",
        r"\b\d{3}[ ./-]{0,2}\d{2}[ ./-]{0,2}\d{4}\b",
        0.1,
        context=_SSN_WORDS,
        near=0.75,
        joints=JOINTS,
        reach=30,
    ),
    Recognizer(
        "passport",
        "PASSPORT",
        rf"\b(?:passport|reisepass|passeport|pasaporte|passaporto|paspoort){_IS}([A-Z0-9]{{6,10}})\b",
        0.75,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "driver_license",
        "DRIVER_LICENSE",
        rf"\b(?:driver'?s?|driving|drivers?'?)[ -]?(?:licen[cs]es?|permit|id){_IS}([A-Z0-9][A-Z0-9-]{{4,17}})\b",
        0.75,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "license_near_word",
        "DRIVER_LICENSE",
        rf"\b(?:dl|fuhrerschein|permis de conduire|rijbewijs|patente){_IS}([A-Z0-9][A-Z0-9-]{{5,17}})\b",
        0.65,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "ssn_last_four",
        "US_SSN",
        rf"\blast (?:4|four)(?: digits)?(?: of)?(?: [a-z]{{2,5}})? (?:ssn|social(?: security)?){_IS}(\d{{4}})\b",
        0.7,
        group=1,
        ignore_case=True,
    ),
    Recognizer("license_uk", "DRIVER_LICENSE", r"\b[A-Z9]{5}\d[0156]\d[0-3]\d\d[A-Z9]{2}\d?[A-Z0-9]{2,3}\b", 0.7),
    Recognizer("license_ontario", "DRIVER_LICENSE", r"\b[A-Z]\d{4}-\d{5}-\d{5}\b", 0.7, joints=JOINTS),
    Recognizer(
        "nhs_spaced",
        "UK_NHS",
        r"\b\d{3}[ -]\d{3}[ -]\d{4}\b",
        0.3,
        context=r"\b(?:nhs|health service)\b",
        near=0.9,
        check=national.nhs,
        joints=JOINTS,
    ),
    Recognizer(
        "nhs_plain",
        "UK_NHS",
        r"\b\d{10}\b",
        0.1,
        context=r"\b(?:nhs|health service)\b",
        near=0.85,
        check=national.nhs,
        joints=JOINTS,
    ),
    Recognizer(
        "nino", "UK_NINO", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0.75, joints=JOINTS
    ),
    Recognizer(
        "nino_near_word",
        "UK_NINO",
        r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        0.1,
        context=r"\b(?:ni|nino|national insurance)\b",
        near=0.7,
        joints=JOINTS,
        reach=_RIGHT_BEFORE,
    ),
    Recognizer(
        "ppsn",
        "IE_PPSN",
        r"\b\d{7}[A-W][A-IW]?\b",
        0.6,
        context=r"\b(?:pps|ppsn)\b",
        near=0.9,
        check=national.ppsn,
        joints=JOINTS,
    ),
    Recognizer(
        "nir",
        "FR_NIR",
        r"\b[1278] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b",
        0.8,
        context=r"\b(?:nir|insee|secu|securite sociale)\b",
        near=0.9,
        check=national.nir,
        joints=JOINTS,
    ),
    Recognizer(
        "steuer_id",
        "DE_TAX_ID",
        r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b",
        0.2,
        context=r"\b(?:steuer\w*|idnr|tin|tax id\w*|idnummer|identifikationsnummer)\b",
        near=0.85,
        check=national.de_tax,
        joints=JOINTS,
    ),
    Recognizer(
        "personalausweis",
        "DE_ID_CARD",
        r"\b[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d?\b",
        0.1,
        context=r"\b(?:ausweis\w*|personalausweis\w*|id card|identity card)\b",
        near=0.75,
        check=national.de_card,
        joints=JOINTS,
    ),
    Recognizer(
        "bsn",
        "NL_BSN",
        r"\b\d{4}[ .]?\d{2}[ .]?\d{3}\b",
        0.1,
        context=r"\b(?:bsn|burgerservice\w*|sofi\w*)\b",
        near=0.85,
        check=national.bsn,
        joints=JOINTS,
    ),
    Recognizer(
        "dni",
        "ES_NIF",
        r"\b\d{2}\.?\d{3}\.?\d{3} ?-?[A-Z]\b",
        0.65,
        context=r"\b(?:dni|nif)\b",
        near=0.9,
        check=national.nif,
        joints="_/",
    ),
    Recognizer(
        "nie",
        "ES_NIE",
        r"\b[XYZ] ?-?\d{7} ?-?[A-Z]\b",
        0.7,
        context=r"\bnie\b",
        near=0.9,
        check=national.nif,
        joints="_/",
    ),
    Recognizer(
        "codice_fiscale",
        "IT_FISCAL_CODE",
        r"\b[A-Z]{6}[0-9L-V]{2}[A-EHLMPR-T][0-9L-V]{2}[A-Z][0-9L-V]{3}[A-Z]\b",
        0.9,
        context=r"\b(?:c\.?f\.?|cod(?:ice)?\.? ?fisc\w*)\b",
        near=0.95,
        ignore_case=True,
        check=national.fiscal_code,
    ),
    Recognizer(
        "personnummer",
        "SE_PERSONNUMMER",
        r"\b(?:19|20)?\d{6}[-+]\d{4}\b",
        0.7,
        context=r"\b(?:personnummer|personnr|pnr)\b",
        near=0.9,
        check=national.personnummer,
        joints="._/:",
    ),
    Recognizer(
        "personnummer_plain",
        "SE_PERSONNUMMER",
        r"\b(?:19|20)?\d{10}\b",
        0.1,
        context=r"\b(?:personnummer|personnr|pnr)\b",
        near=0.85,
        check=national.personnummer,
        joints=JOINTS,
    ),
    Recognizer(
        "pesel", "PL_PESEL", r"\b\d{11}\b", 0.2, context=r"\bpesel\b", near=0.9, check=national.pesel, joints=JOINTS
    ),
    Recognizer("cpf", "BR_CPF", r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", 0.7, context=r"\bcpf\b", near=0.9),
    Recognizer(
        "cpf_plain", "BR_CPF", r"\b\d{11}\b", 0.2, context=r"\bcpf\b", near=0.85, check=national.cpf, joints=JOINTS
    ),
    Recognizer(
        "cnpj",
        "BR_CNPJ",
        r"\b\d{2}\.?\d{3}\.?\d{3}/\d{4}-?\d{2}\b",
        0.8,
        context=r"\bcnpj\b",
        near=0.9,
        check=national.cnpj,
    ),
    Recognizer(
        "cnpj_plain", "BR_CNPJ", r"\b\d{14}\b", 0.1, context=r"\bcnpj\b", near=0.85, check=national.cnpj, joints=JOINTS
    ),
    Recognizer(
        "aadhaar",
        "IN_AADHAAR",
        r"\b[2-9]\d{3}[ -]\d{4}[ -]\d{4}\b",
        0.5,
        context=r"\b(?:aadha?ar|uid|uidai)\b",
        near=0.9,
        check=national.aadhaar,
        joints=JOINTS,
    ),
    Recognizer(
        "aadhaar_near_word",
        "IN_AADHAAR",
        r"\b\d{4}[ -]?\d{4}[ -]?\d{4}\b",
        0.1,
        context=r"\b(?:aadha?ar|uidai)\b",
        near=0.75,
        joints=JOINTS,
    ),
    Recognizer(
        "pan_india",
        "IN_PAN",
        r"\b[A-Z]{5}\d{4}[A-Z]\b",
        0.6,
        context=r"\b(?:pan|income tax|permanent account)\b",
        near=0.9,
        check=national.pan,
        joints=JOINTS,
    ),
    Recognizer(
        "sin",
        "CA_SIN",
        r"\b\d{3}[ -]\d{3}[ -]\d{3}\b",
        0.4,
        context=r"\b(?:sin|social insurance|nas)\b",
        near=0.9,
        check=national.sin,
        joints=JOINTS,
    ),
    Recognizer(
        "sin_plain",
        "CA_SIN",
        r"\b\d{9}\b",
        0.1,
        context=r"\b(?:sin|social insurance)\b",
        near=0.8,
        check=national.sin,
        joints=JOINTS,
    ),
    Recognizer(
        "national_id_near_word",
        "NATIONAL_ID",
        rf"\b(?:national (?:id|insurance)|identity (?:card|number)|id card|citizen id|curp|tfn|cpr|amka|oib"
        rf"|egn|cnp|jmbg|hetu){_IS}(\d[\d -]{{5,18}}\d|[A-Z0-9][A-Z0-9-]{{5,18}})\b",
        0.65,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
)


def _near_misses(recognizers: Sequence[Recognizer]) -> Iterator[Recognizer]:
    """Give recognizers of numbers that stand right behind their own name: people mistype them, and still mean them."""
    known = {one.kind for one in recognizers if one.check is None and one.context}
    for one in recognizers:
        if one.check is not None and one.context and one.kind not in known:
            name = f"{one.name}_near_miss"
            yield replace(one, name=name, score=0.1, near=_NEAR_MISS, check=checks.two_digits, reach=_RIGHT_BEFORE)


RECOGNIZERS = (*_FOUND, *_near_misses(_FOUND))
