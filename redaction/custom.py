"""A policy's own recognizers and deny lists, and the proof of their examples."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from policy.blocks_redaction import CustomRecognizer, Redaction
from redaction.fold import GONE, fold_char
from redaction.linear import PatternError
from redaction.pattern import MAX_WIDTH, analyse
from redaction.recognizers import checks, national
from redaction.recognizers.base import Recognizer
from redaction.scan import Scanner

VALIDATORS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "luhn": checks.luhn,
        "card": checks.card,
        "iban": checks.mod97,
        "aba": checks.aba,
        "vin": checks.vin,
        "imei": checks.imei,
        "npi": checks.npi,
        "dea": checks.dea,
        "nhs": national.nhs,
        "bsn": national.bsn,
        "nif": national.nif,
        "pesel": national.pesel,
        "cpf": national.cpf,
        "has_digit": checks.has_digit,
    }
)
_NEAR = 0.35  # what context adds to the score of a custom recognizer
_TAIL = re.compile(r"(?P<class>\\[wdSW]|\[(?:[^\]\\]|\\.)+\])(?:\+|\*|\{(?P<least>\d+),\})\Z")


def own_recognizers(block: Redaction) -> tuple[Recognizer, ...]:
    """Give the recognizers that a policy declares; raises PatternError for one that cannot be used."""
    return (*(from_policy(own) for own in block.recognizers), *_denied(block))


def from_policy(own: CustomRecognizer) -> Recognizer:
    """Make a recognizer of a policy's declaration; raises PatternError with a sentence that says what to change."""
    if own.validator is not None and own.validator not in VALIDATORS:
        raise PatternError(f"there is no validator `{own.validator}`; use one of {', '.join(sorted(VALIDATORS))}")
    pattern, run = _split(own.pattern)
    parts = analyse(pattern)
    if parts.least == 0:
        raise PatternError("the pattern matches the empty text; let it ask for at least one character")
    if parts.most > MAX_WIDTH:
        raise PatternError(
            f"the pattern can match more than {MAX_WIDTH} characters; bound its repeats, as in `{{1,20}}`"
        )
    words = "|".join(re.escape(fold(word)) for word in own.context)
    return Recognizer(
        f"custom:{own.kind.lower()}",
        own.kind,
        pattern,
        own.score,
        run=run,
        context=rf"\b(?:{words})\b" if words else "",
        near=min(1.0, own.score + _NEAR),
        check=VALIDATORS[own.validator] if own.validator else None,
    )


def check_examples(own: CustomRecognizer) -> list[str]:
    """Run a custom recognizer's examples; give a sentence for each one that fails."""
    try:
        scanner = Scanner((from_policy(own),))
    except PatternError as error:
        return [str(error)]
    missed = [
        f"`{text}` should match and does not" for text in own.examples.match if not scanner.entities(_bytes(text))
    ]
    return missed + [
        f"`{text}` should not match and does" for text in own.examples.no_match if scanner.entities(_bytes(text))
    ]


def fold(text: str) -> str:
    """Fold text to the ASCII that recognizers read."""
    return "".join(fold_char(char) for char in text).replace(GONE, "")


def _bytes(text: str) -> bytes:
    return fold(text).encode("ascii")


def _split(pattern: str) -> tuple[str, str]:
    """Part an open-ended pattern such as `ACME-[0-9]+` into its beginning and the characters it goes on with."""
    tail = _TAIL.search(pattern)
    if tail is None:
        return pattern, ""
    least = int(tail["least"] or (0 if pattern.endswith("*") else 1))
    return f"{pattern[: tail.start()]}{tail['class']}{{{least}}}" if least else pattern[: tail.start()], tail["class"]


def _denied(block: Redaction) -> list[Recognizer]:
    return [
        Recognizer(f"deny:{kind.lower()}", kind, re.escape(fold(value)), 1.0, ignore_case=True)
        for kind, values in block.deny.items()
        for value in values
    ]
