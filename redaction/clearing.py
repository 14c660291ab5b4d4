"""The clearing of one request: what each string becomes, and what was found on the way."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from redaction.find import Finder
from redaction.operators import substitute
from redaction.placeholders import Minter
from redaction.plans import Place, Plan, Planner
from redaction.rules import RuleBook
from redaction.targets import link_at
from redaction.types import Blocked, Entity, Finding, Media, Vault

_LAST_PIECES = 9  # what is looked at for an address that a value stands in
_SEAM = 64  # characters on each side of a seam between text parts in which a split value is looked for


class Clearing:
    """Rewrites the strings of one request; a `Visitor` of the walk."""

    def __init__(
        self,
        finder: Finder,
        book: RuleBook,
        minter: Minter,
        avoid: frozenset[str] = frozenset(),
        named: Mapping[str, tuple[Entity, ...]] = MappingProxyType({}),
    ) -> None:
        self._finder = finder
        self._book = book
        self._minter = minter
        self._planner = Planner(book, minter)
        self._avoid = avoid
        self.vault = Vault()
        self.findings: list[Finding] = []
        self.media_parts: list[Media] = []
        self.literals: set[str] = set()
        self._named = named
        self.chars = 0

    def text(self, value: str, site: str, hint: str) -> str:
        """Give what one string becomes."""
        self.chars += len(value)
        seen = self._finder.seen(value, hint)
        named = self._named.get(value, ())
        if not seen.entities and not named:
            return value
        role = site.partition(":")[0]
        plan = seen.plans.get(role)
        if plan is None or plan.named != named:
            plan = seen.plans[role] = self._planner.plan(value, role, seen.entities, named)
        return self._rewrite(value, site, plan)[0]

    def word(self, value: str, site: str) -> str:
        """Give what an identifier becomes; only patterns are looked for."""
        found = self._finder.seen(value, "").entities
        if not found:
            return value
        plan = self._planner.plan(value, site.partition(":")[0], found)
        return self._rewrite(value, site, plan)[0]

    def parts(self, values: list[str], site: str) -> list[str]:
        """Give what neighbouring text parts become; a value split over a seam goes to the part where it begins."""
        if len(values) == 1:
            return [self.text(values[0], site, "")]
        whole = "".join(values)
        self.chars += len(whole)
        found: list[Entity] = []
        reaching: list[Entity] = []  # those behind which nothing but white space stands so far
        seams: list[int] = []
        at = edge = 0
        for value in values:
            if at:
                seams.append(at)
                over = self._over(whole, at, reaching)
                found += over
                reaching += over
            both = (*self._finder.seen(value, "").entities, *self._named.get(value, ()))
            own = [_shift(entity, at) for entity in both]
            found += own
            edge = at + len(value.rstrip()) if value.strip() else edge
            at += len(value)
            reaching = [entity for entity in (*reaching, *own) if entity.end >= edge]
        if not found:
            return values
        return self._rewrite(whole, site, self._planner.plan(whole, site.partition(":")[0], found), seams)

    def media(self, value: str, kind: str, site: str) -> None:
        """Do with media as the policy says."""
        rule = self._book.block.media
        if rule == "block":
            raise Blocked("MEDIA", site)
        self.media_parts.append(Media(site, kind, len(value)))

    def _over(self, whole: str, seam: int, reaching: Sequence[Entity]) -> list[Entity]:
        """Give what goes over a seam; a long value, such as a private key, from where it began to where it ends."""
        if any(entity.end > seam for entity in reaching):
            return []  # found at a seam before
        start = min((max(0, seam - _SEAM), *(entity.start for entity in reaching)))
        for end in (seam + _SEAM, len(whole)):
            window = [_shift(entity, start) for entity in self._finder.find(whole[start:end])]
            across = [entity for entity in window if entity.start < seam < entity.end]
            if not any(_is_open(whole, entity.end, end) for entity in across):
                break
        return across

    def _rewrite(self, value: str, site: str, plan: Plan, seams: Sequence[int] = ()) -> list[str]:
        """Write the pieces of `value` between seams, with what stands for the found entities."""
        if plan.literals:
            self.literals.update(value[start:end] for start, end in plan.literals)
        self.findings += [Finding(site, *entity, action) for entity, action in plan.noted]
        if not plan.places:
            return [value] if not seams else _cut(value, seams)
        pieces: list[str] = []
        out: list[str] = []
        done = 0
        borders = [*seams, len(value)]
        has_links = "://" in value
        for place in plan.places:
            entity = place.entity
            done = _copy(value, done, entity.start, borders, out, pieces)
            mark = self._stand_in(value[entity.start : entity.end], place)
            if has_links and (link := link_at("".join(out[-_LAST_PIECES:]))):
                self.vault.links.add(link + mark)
            out.append(mark)
            done = _skip(done, entity.end, borders, out, pieces)
        _copy(value, done, len(value), borders, out, pieces)
        return [*pieces, "".join(out)]

    def _stand_in(self, value: str, place: Place) -> str:
        self.vault.hmacs.append(place.hash)
        kind, mark = place.entity.kind, place.mark
        if not mark:
            return substitute(place.rule, kind, value, self._minter)
        for attempt in range(1, 64):
            if mark not in self._avoid and self.vault.values.setdefault(mark, value) == value:
                return mark
            mark = self._minter.placeholder(kind, value, attempt)
        raise AssertionError("no free placeholder in 64 attempts")


def _is_open(whole: str, at: int, end: int) -> bool:
    """Say whether a value that ends at an offset might go on where the window ends: marks at its end are no part."""
    return at >= end or not whole[at:end].strip(" .,:;\n")


def _copy(value: str, done: int, until: int, borders: list[int], out: list[str], pieces: list[str]) -> int:
    """Copy text up to an offset, closing a piece at every border passed."""
    while len(borders) > 1 and borders[0] <= until:
        out.append(value[done : borders[0]])
        done = borders.pop(0)
        pieces.append("".join(out))
        out.clear()
    out.append(value[done:until])
    return until


def _skip(done: int, until: int, borders: list[int], out: list[str], pieces: list[str]) -> int:
    """Leave out text up to an offset, closing a piece at every border passed."""
    while len(borders) > 1 and borders[0] < until:
        borders.pop(0)
        pieces.append("".join(out))
        out.clear()
    return until


def _cut(value: str, seams: Sequence[int]) -> list[str]:
    borders = [0, *seams, len(value)]
    return [value[start:end] for start, end in pairwise(borders)]


def _shift(entity: Entity, by: int) -> Entity:
    return Entity(entity.kind, entity.start + by, entity.end + by, entity.score, entity.recognizer)
