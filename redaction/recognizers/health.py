"""Recognizers of the group health: record and member numbers, provider numbers, dates of birth, high ages."""

from redaction.recognizers import checks
from redaction.recognizers.base import JOINTS, Recognizer

_IS = r"[\"' :=#.]{0,3}(?:(?:is|no|nr|number|num|id|code)\b[\"' :=#.]{0,3}){0,2}"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = (
    rf"(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/. ]\d{{1,2}}[-/. ](?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}\.?,? \d{{4}}"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})"
)
# After a word for birth, any word between a day and a year is a month, in whatever language.
_BIRTH_DATE = rf"(?:{_DATE}|\d{{1,2}}(?:\.|er)? (?:de |di )?[a-z]{{3,12}}\.? (?:de )?\d{{4}})"

RECOGNIZERS = (
    Recognizer(
        "mrn",
        "MEDICAL_RECORD_NUMBER",
        rf"\b(?:mrn|medical record|patient (?:id|number|no)|chart (?:no|number)|hospital (?:id"
        rf"|number)){_IS}([A-Z0-9][A-Z0-9-]{{4,17}})\b",
        0.8,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "member_id",
        "HEALTH_MEMBER_ID",
        r"\b(?:member|subscriber|policy|claim|beneficiary|insurance|medicare|medicaid|health plan|group"
        r"|prior auth|rx) ?(?:id|number|no|nr|#)[\"' :=#.]{0,4}(?:is\b[ :]{1,2})?"
        r"([A-Z0-9][A-Z0-9-]{4,19})\b",
        0.7,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "member_id_german",
        "HEALTH_MEMBER_ID",
        r"\b(?:kranken)?versicher(?:ten|ungs)-?(?:nummer|nr)\b[\"' :=.]{0,4}(?:(?:ist|lautet)\b[ :]{1,2})?"
        r"([A-Z0-9][A-Z0-9-]{4,15})\b",
        0.7,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "ontario_health_card",
        "HEALTH_MEMBER_ID",
        r"\b\d{4}[ -]\d{3}[ -]\d{3}(?:[ -]?[A-Z]{2})?\b",
        0.1,
        context=r"\b(?:health card|ohip)\b",
        near=0.75,
        joints=JOINTS,
        reach=30,
    ),
    Recognizer(
        "mbi",
        "HEALTH_MEMBER_ID",
        r"\b[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}\b",
        0.7,
        joints=JOINTS,
    ),
    Recognizer(
        "npi",
        "US_NPI",
        r"\b[12]\d{9}\b",
        0.1,
        context=r"\b(?:npi|national provider)\b",
        near=0.85,
        check=checks.npi,
        joints=JOINTS,
    ),
    Recognizer("npi_near_word", "US_NPI", rf"\bnpi{_IS}(\d{{10}})\b", 0.6, group=1, ignore_case=True),
    Recognizer(
        "dea",
        "US_DEA",
        r"\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b",
        0.3,
        context=r"\b(?:dea|drug enforcement)\b",
        near=0.9,
        check=checks.dea,
        joints=JOINTS,
    ),
    Recognizer(
        "medical_license",
        "MEDICAL_LICENSE",
        rf"\b(?:medical|physician|nursing|pharmacist|practitioner) licen[cs]e{_IS}([A-Z0-9][A-Z0-9.-]{{3,14}})\b",
        0.7,
        group=1,
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "date_of_birth",
        "DATE_OF_BIRTH",
        rf"\b(?:dob|d\.o\.b\.?|date[ _]of[ _]birth|birth[ _]?da(?:te|y)|born(?: on)?|geboren(?: am)?"
        rf"|geb\.?|geburtsdatum|nee? le|date de naissance|fecha de nacimiento|nacid[oa] el|nat[oa] il|data di nascita"
        rf"|nascid[oa] em|data de nascimento|geboren op|geboortedatum|fodd(?: den)?|fodelsedatum|data urodzenia"
        rf"|urodzon[ya])\b"
        rf"[\"' :=,.()]{{1,4}}(?:is\b[ :]{{1,2}})?({_BIRTH_DATE})\b",
        0.85,
        group=1,
        ignore_case=True,
    ),
    Recognizer(
        "date_near_birth",
        "DATE_OF_BIRTH",
        rf"\b(?:{_BIRTH_DATE})\b",
        0.1,
        context=r"\b(?:born|birth|geboren|nee|nacid[oa]|nat[oa] a|nascid[oa]|fodd|urodzon[ya])\b",
        near=0.6,
        ignore_case=True,
        reach=40,
        answers=False,
    ),
    Recognizer(
        "age_over_89",
        "AGE_OVER_89",
        r"\b(9\d|1[01]\d|12[0-5])(?:[ -]?(?:years?|yrs?)[ -]?old|[ -]?y/?o)\b",
        0.75,
        group=1,
        ignore_case=True,
    ),
    Recognizer(
        "aged_over_89",
        "AGE_OVER_89",
        r"\b(?:age|aged|age:) (9\d|1[01]\d|12[0-5])\b",
        0.7,
        group=1,
        ignore_case=True,
        joints=".%",
    ),
)

AGES = (
    Recognizer(
        "age",
        "AGE",
        r"\b(?:aged?|age of|age:|turn(?:ed|s|ing)?) (\d{1,3}(?:\.\d)?)\b",
        0.6,
        group=1,
        ignore_case=True,
        joints=".%:/-",
    ),
    Recognizer(
        "age_in_years",
        "AGE",
        r"\b(\d{1,3}(?:\.\d)?)(?: |-)?(?:(?:years?|yrs?|months?)(?: |-)?(?:old|of age)|y/?o)\b",
        0.7,
        group=1,
        ignore_case=True,
    ),
)

# Dates are everywhere and seldom personal: looked for only where a policy speaks of them.
DATES = (
    Recognizer(
        "date_and_time",
        "DATE_TIME",
        r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?",
        0.65,
        joints="-._",
    ),
    Recognizer("day_of_week", "DATE_TIME", r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", 0.4),
    Recognizer(
        "time_of_day", "DATE_TIME", r"\b\d{1,2}(?::\d{2}){1,2} ?(?:[ap]\.?m\b\.?)?", 0.4, ignore_case=True, joints=":"
    ),
    Recognizer(
        "year",
        "DATE_TIME",
        r"\b(?:in|of|during|since|until|by|from|before|after|year) ((?:19|20)\d{2})\b",
        0.4,
        group=1,
        ignore_case=True,
        joints="-/:",
    ),
    Recognizer("date", "DATE_TIME", rf"\b{_DATE}\b", 0.6, ignore_case=True, joints="-._"),
    Recognizer(
        "date_month", "DATE_TIME", rf"\b(?:{_MONTH}\.? \d{{1,2}}|\d{{1,2}}\.? {_MONTH})\b", 0.5, ignore_case=True
    ),
)
