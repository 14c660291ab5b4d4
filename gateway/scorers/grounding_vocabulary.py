"""The words that the grounding scorer knows: little ones, negations, closed classes, opposites and equals."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from gateway.scorers.grounding_figures import listed

_LIST: Final = Path(__file__).parent / "grounding_words.txt"
STOP: Final = frozenset(
    listed(
        "a an the of to in on at for with from by as is are was were be been being am do does did has have had having "
        "or and it its this that these those there here he she they them his her their our your my we you i who whom "
        "whose which what when where why how than then so if but also such into onto through during per via itself "
        "about will would shall between among while because since until upon both just very own s t re ve ll d"
    )
)
NEGATORS: Final = frozenset(
    listed("not no never without neither nor cannot none nobody nothing nowhere hardly unable non lack lacks lacked")
)
TO_NEGATE: Final = frozenset(listed("fail fails failed refuse refuses refused decline declines declined cease ceased"))
CLAUSE: Final = frozenset(listed("but however although though because while whereas which unless and"))
CLASSES: Final = {
    word: name
    for name, words in {
        "q:all": "all every each always everyone everybody everything entire whole any anyone throughout",
        "q:some": "some sometimes several certain occasionally someone partly partially",
        "q:most": "most mostly usually mainly often generally typically majority",
        "q:few": "few rarely seldom scarcely minority",
        "q:only": "only solely exclusively",
        "m:must": "must required mandatory obliged obligatory compulsory",
        "m:may": "may might could can possibly perhaps optional optionally",
        "m:should": "should recommended advisable ought",
    }.items()
    for word in words.split()
}
EXCLUSIVE: Final = {
    word: f"{name}:{word}"
    for name, words in {
        "weekday": "monday tuesday wednesday thursday friday saturday sunday",
        "color": "red green blue yellow black white orange purple pink brown gray grey silver gold",
        "season": "spring summer autumn winter",
        "part": "morning afternoon evening",
    }.items()
    for word in words.split()
}
PERIODS: Final = {
    word: f"per:{name}"
    for name, words in {
        "hour": "hour hourly", "day": "day daily", "week": "week weekly", "month": "month monthly",
        "quarter": "quarter quarterly", "year": "year yearly annual annually",
    }.items()
    for word in words.split()
}  # fmt: skip
# Two words that bound a figure, and words that do so right before one.
BOUNDS: Final = {
    (first, second): sign
    for sign, pairs in (
        (-1, "at most/up to/maximum of/less than/fewer than/lower than/shorter than/earlier than/younger than"),
        (1, "at least/minimum of/more than/greater than/higher than/longer than/later than/older than"),
    )
    for first, _, second in (pair.partition(" ") for pair in pairs.split("/"))
}
BEFORE_FIGURES: Final = {
    word: sign
    for sign, words in ((-1, "under below"), (1, "over above exceeding exceeds exceed exceeded"))
    for word in words.split()
}


@lru_cache(maxsize=1)
def words() -> dict[str, tuple[str, int]]:
    """Read the list of words: what a word stands for, and which way round."""
    found: dict[str, tuple[str, int]] = {}
    for line in _LIST.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        plus, _, minus = line.partition("/")
        name = plus.split()[0]
        for sign, side in ((1, plus), (-1, minus)):
            for word in side.split():
                found.setdefault(word, (name, sign))
                found.setdefault(stem(word), (name, sign))
    return found


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Cut common endings; both texts are cut alike, so the result need not be a word."""
    word = word.removesuffix("'s").removesuffix("'")
    for ending, instead, least in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            word = word[: -len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_ENDINGS: Final = (
    ("ational", "ate", 3), ("ations", "ate", 3), ("ation", "ate", 3), ("ments", "", 4), ("ment", "", 4),
    ("ness", "", 4),
    ("ingly", "", 4), ("edly", "", 4), ("ically", "ic", 3), ("ies", "y", 2), ("ied", "y", 2), ("sses", "ss", 2),
    ("ches", "ch", 2), ("shes", "sh", 2), ("ing", "", 3), ("ed", "", 3), ("ly", "", 4), ("s", "", 3),
)  # fmt: skip
