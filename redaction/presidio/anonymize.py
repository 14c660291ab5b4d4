"""Apply operators to found entities with Presidio's AnonymizerEngine, for files, reviews and exports."""

from collections.abc import Callable, Mapping, Sequence

from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from redaction.types import Entity

Operator = Callable[[str], str]


def keep(value: str) -> str:
    """Return the value as it is."""
    return value


def mask(keep_last: int = 0, sign: str = "*") -> Operator:
    """Return an operator that hides all but the last letters and digits; other signs stay."""

    def apply(value: str) -> str:
        shown = max(0, sum(char.isalnum() for char in value) - keep_last)
        out = []
        for char in value:
            hide = char.isalnum() and shown > 0
            shown -= hide
            out.append(sign if hide else char)
        return "".join(out)

    return apply


def replace(text: str) -> Operator:
    """Return an operator that puts a fixed text in the value's place."""
    return lambda _: text


class Anonymizer:
    """Rewrites texts; the operators are functions from a value to what stands in its place, by kind.

    Pass `mask`, `replace`, `keep`, or the pseudonym and hash of a request's own vault. A kind without an operator
    becomes `<KIND>`. Overlapping entities are resolved by Presidio.
    """

    def __init__(self, operators: Mapping[str, Operator]) -> None:
        self._engine = AnonymizerEngine()  # type: ignore[no-untyped-call]
        self._operators = {kind: OperatorConfig("custom", {"lambda": apply}) for kind, apply in operators.items()}

    def apply(self, text: str, entities: Sequence[Entity]) -> str:
        """Return the text with every entity rewritten."""
        results = [RecognizerResult(e.kind, e.start, e.end, e.score) for e in entities]
        default = {e.kind: OperatorConfig("replace", {"new_value": f"<{e.kind}>"}) for e in entities}
        return str(self._engine.anonymize(text, results, {**default, **self._operators}).text)
