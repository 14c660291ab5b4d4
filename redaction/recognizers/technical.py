"""Recognizers of the group technical: network addresses, devices, vehicles, cookies."""

from redaction.recognizers import checks
from redaction.recognizers.base import JOINTS, Recognizer

_VERSION = r"\b(?:version|ver|v|release|build|firmware|section|chapter|clause)\b"
_HEX = r"[0-9a-fA-F]{1,4}"

RECOGNIZERS = (
    Recognizer(
        "ipv4",
        "IP_ADDRESS",
        r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
        0.7,
        check=checks.ipv4,
        joints="-._",
        context=_VERSION,
        near=0.25,
        reach=12,
    ),
    Recognizer(
        "ipv6",
        "IP_ADDRESS",
        rf"(?:\b{_HEX}|:)(?::{{1,2}}{_HEX}){{1,7}}(?:::?)?(?:\.\d{{1,3}}){{0,3}}\b",
        0.7,
        check=checks.ipv6,
        joints=":.",
    ),
    Recognizer("mac", "MAC_ADDRESS", r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b", 0.8, joints=":-"),
    Recognizer(
        "mac_dotted",
        "MAC_ADDRESS",
        r"\b[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\b",
        0.6,
        check=checks.has_digit,
        joints=".",
    ),
    Recognizer(
        "imei",
        "IMEI",
        r"\b\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d\b",
        0.1,
        context=r"\b(?:imei|device|handset)\b",
        near=0.8,
        check=checks.imei,
        joints=JOINTS,
    ),
    Recognizer("vin", "VIN", r"\b[A-HJ-NPR-Z0-9]{17}\b", 0.6, check=checks.vin, joints=JOINTS),
    Recognizer(
        "vin_near_word",
        "VIN",
        r"\b[A-HJ-NPR-Z0-9]{17}\b",
        0.1,
        context=r"\b(?:vin|chassis|vehicle)\b",
        near=0.75,
        check=checks.two_digits,
        joints=JOINTS,
    ),
    Recognizer(
        "plate",
        "LICENSE_PLATE",
        r"\b(?i:licen[cs]e plate|number ?plate|plate|(?:vehicle |car )?reg(?:istration)? (?:no|plate|number)"
        r"|vehicle registration|vrm|kennzeichen|kenteken|immatriculation|plaque|matricula|targa)(?i: (?:no|nr|number))?"
        r"\b[\"' :=#.]{1,4}(?:is\b[ :]{1,2})?"
        r"([A-Z0-9]{1,7}(?:[ -][A-Z0-9]{1,5}){0,2}|[a-z]{0,3}\d[a-z0-9]{2,6})\b",
        0.7,
        group=1,
        check=checks.plate,
    ),
    Recognizer(
        "cookie",
        "COOKIE",
        r"\b(?:set-)?cookie: ?[\w.-]{1,40}=",
        0.8,
        run=r"[^\r\n\"]",
        ignore_case=True,
    ),
    Recognizer(
        "session",
        "COOKIE",
        r"\bsession[\"']?[:=] ?[\"']?([A-Za-z0-9_%+/-]{16})",
        0.7,
        group=1,
        run=r"[\w%.+/=-]",
        ignore_case=True,
        check=checks.two_digits,
    ),
    Recognizer(
        "session_id",
        "COOKIE",
        r"\b(?:session[_-]?id|sessid|phpsessid|jsessionid|connect\.sid|csrf[_-]?token"
        r"|xsrf[_-]?token)[\"']?[ :=]{1,3}[\"']?([\w%.+/-]{8,20})",
        0.75,
        group=1,
        run=r"[\w%.+/=-]",
        ignore_case=True,
    ),
)
