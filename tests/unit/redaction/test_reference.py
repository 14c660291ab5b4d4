"""The reference page names every kind that can be found."""

from pathlib import Path

from policy.kinds import GROUPS, PROFILES
from redaction.recognizers.catalogue import BUILT_IN, OPTIONAL

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "redaction.md"


def test_every_kind_and_every_secret_format_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    kinds = {recognizer.kind for recognizer in (*BUILT_IN, *OPTIONAL)} | GROUPS["identity"]
    assert not {kind for kind in kinds if f"`{kind}`" not in text and kind not in GROUPS["secrets"]}
    secret = {one.name.replace("_", " ") for one in BUILT_IN if one.kind in GROUPS["secrets"]}
    assert not {name for name in secret if name not in text}
    assert not {profile for profile in PROFILES if f"`{profile}`" not in text}
