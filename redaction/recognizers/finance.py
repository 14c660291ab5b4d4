"""Recognizers of the group finance: cards, accounts, bank codes, wallets."""

from redaction.recognizers import checks
from redaction.recognizers.base import JOINTS, Recognizer

_CARD_WORDS = (
    r"\b(?:cards?|visa|master ?card|amex|american express|discover|maestro|cc|credit|debit|cvv|cvc"
    r"|pan|karte|kreditkarte|carte|tarjeta|carta|cartao)\b"
)
_ACCOUNT_WORDS = (
    r"\b(?:account|acct?|a/c|konto|kontonummer|compte|cuenta|conto|rekening|bank|checking|savings|deposit"
    r"|beneficiary)\b"
)


def eth(value: str) -> bool:
    """Refuse addresses of one repeated digit."""
    return len(set(value[2:].lower())) > 4


def bic(value: str) -> bool:
    """Check the length and the country letters' place of a bank code."""
    return len(value) in {8, 11} and value[4:6].isalpha()


RECOGNIZERS = (
    Recognizer("card", "CREDIT_CARD", r"\b\d(?:[ .-]{0,2}\d){11,18}\b", 0.95, fit=checks.fit_card, joints=JOINTS),
    Recognizer(
        "card_near_miss",
        "CREDIT_CARD",
        r"\b\d(?:[ .-]{0,2}\d){11,18}\b",
        0.1,
        context=_CARD_WORDS,
        near=0.7,
        fit=checks.fit_card_shape,
        joints=JOINTS,
    ),
    Recognizer(
        "cvv",
        "CARD_CVV",
        r"\b(?:cvv2?|cvc2?|csc|cid|card verification(?: (?:value|code|number))?|security code"
        r"|sicherheitscode)\b[\"' :=#]{1,4}(?:is\b[ :]{1,2})?(\d{3,4})\b",
        0.8,
        group=1,
        ignore_case=True,
    ),
    Recognizer(
        "card_expiry",
        "CARD_EXPIRY",
        r"\b(?:exp(?:iry|ires|iration|\.)?(?: date)?|valid (?:thru|through|until|to)"
        r"|gultig bis)\b[\"' :=.]{1,4}(?:is\b[ :]{1,2})?((?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?\d{2})\b",
        0.75,
        group=1,
        ignore_case=True,
    ),
    Recognizer("track_data", "CREDIT_CARD", r"%B\d{12,19}\^", 0.95, run=r"[^?\n]"),
    Recognizer(
        "iban_spaced",
        "IBAN_CODE",
        r"\b[A-Za-z]{2}\d{2}(?:[ -][A-Za-z0-9]{4}){2,7}(?:[ -][A-Za-z0-9]{1,3})?\b",
        0.95,
        fit=checks.fit_iban,
    ),
    Recognizer("iban_compact", "IBAN_CODE", r"\b[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}\b", 0.95, fit=checks.fit_iban),
    Recognizer(
        "iban_near_miss",
        "IBAN_CODE",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        0.2,
        context=r"\biban\b",
        near=0.75,
    ),
    Recognizer(
        "bic",
        "SWIFT_BIC",
        r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b",
        0.1,
        context=r"\b(?:bic|swift)\b",
        near=0.8,
        check=bic,
        reach=30,
    ),
    Recognizer(
        "routing",
        "ROUTING_NUMBER",
        r"\b\d{9}\b",
        0.1,
        context=r"\b(?:routing|aba|rtn|transit|ach)\b",
        near=0.8,
        check=checks.aba,
        joints=JOINTS,
    ),
    Recognizer(
        "sort_code",
        "ROUTING_NUMBER",
        r"\b\d{2}[- ]?\d{2}[- ]?\d{2}\b",
        0.1,
        context=r"\b(?:sort ?code|blz|bankleitzahl|bsb)\b",
        near=0.8,
        joints=JOINTS,
        reach=30,
    ),
    Recognizer(
        "blz",
        "ROUTING_NUMBER",
        r"\b\d{3} ?\d{3} ?\d{2}\b",
        0.1,
        context=r"\b(?:blz|bankleitzahl)\b",
        near=0.8,
        joints=JOINTS,
        reach=30,
    ),
    Recognizer("bsb", "ROUTING_NUMBER", r"\b\d{3}-\d{3}\b", 0.1, context=r"\bbsb\b", near=0.8, joints=JOINTS, reach=30),
    Recognizer(
        "account",
        "US_BANK_NUMBER",
        r"\b\d(?:[ -]?\d){5,16}\b",
        0.1,
        context=_ACCOUNT_WORDS,
        near=0.6,
        joints=JOINTS,
        reach=32,
    ),
    Recognizer(
        "account_with_letters",
        "US_BANK_NUMBER",
        r"\b(?:account|acct|a/c|bban)(?: (?:no|nr|number|num|id))?[\"' :=#.]{1,4}(?:is\b[ :]{1,2})?([A-Z0-9]{8,24})\b",
        0.6,
        group=1,
        ignore_case=True,
        check=checks.four_digits,
    ),
    Recognizer("ethereum", "CRYPTO", r"\b0x[0-9a-fA-F]{40}\b", 0.8, check=eth),
    Recognizer("bitcoin_segwit", "CRYPTO", r"\b(?:bc1|tb1)[ac-hj-np-z02-9]{25,59}\b", 0.8),
    Recognizer(
        "litecoin",
        "CRYPTO",
        r"\b[LM][a-km-zA-HJ-NP-Z1-9]{26,33}\b",
        0.1,
        context=r"\b(?:ltc|litecoin|wallet|crypto)\b",
        near=0.8,
        check=checks.four_digits,
    ),
    Recognizer(
        "bitcoin",
        "CRYPTO",
        r"\b[13][a-km-zA-HJ-NP-Z1-9]{25,34}\b",
        0.3,
        context=r"\b(?:btc|bitcoin|wallet|crypto)\b",
        near=0.8,
        check=checks.has_digit,
    ),
)
