"""Apply operators to found entities with Presidio's AnonymizerEngine, where a person looks at a text."""

from collections.abc import Callable, Mapping, Sequence

from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

Operator = Callable[[str], str]


class Anonymizer:
    """Rewrites texts; the operators are functions from a value to what stands in its place, by kind.

    A kind without an operator becomes `<KIND>`. Overlapping entities are resolved by Presidio.
    """

    def __init__(self, operators: Mapping[str, Operator]) -> None:
        self._engine = AnonymizerEngine()  # type: ignore[no-untyped-call]
        self._operators = {kind: OperatorConfig("custom", {"lambda": apply}) for kind, apply in operators.items()}

    def apply(self, text: str, found: Sequence[tuple[str, int, int, float]]) -> str:
        """Return the text with every (kind, start, end, score) rewritten."""
        results = [RecognizerResult(*entity) for entity in found]
        default = {kind: OperatorConfig("replace", {"new_value": f"<{kind}>"}) for kind, *_ in found}
        return str(self._engine.anonymize(text, results, {**default, **self._operators}).text)
