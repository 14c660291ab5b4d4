"""The clearing of one request: what each string becomes, and what was found on the way."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from redaction import placeholders
from redaction.find import Finder
from redaction.operators import substitute
from redaction.placeholders import Minter
from redaction.resolve import resolve
from redaction.rules import Rule, RuleBook
from redaction.targets import link_at
from redaction.types import Blocked, Entity, Finding, Media, ValueHash, Vault

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
        named: Mapping[str, Sequence[Entity]] = MappingProxyType({}),
    ) -> None:
        self._finder = finder
        self._book = book
        self._minter = minter
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
        found = self._find(value, hint)
        return self._rewrite(value, site, found)[0] if found else value

    def word(self, value: str, site: str) -> str:
        """Give what an identifier becomes; only patterns are looked for."""
        found = self._finder.cached(value, "")
        return self._rewrite(value, site, list(found))[0] if found else value

    def parts(self, values: list[str], site: str) -> list[str]:
        """Give what neighbouring text parts become; a value split over a seam goes to the part where it begins."""
        if len(values) == 1:
            return [self.text(values[0], site, "")]
        whole = "".join(values)
        self.chars += len(whole)
        found: list[Entity] = []
        seams = [0]
        for value in values:
            found += (_shift(entity, seams[-1]) for entity in self._find(value, ""))
            seams.append(seams[-1] + len(value))
        for seam in seams[1:-1]:
            found += self._over(whole, seam, found)
        return self._rewrite(whole, site, found, seams[1:-1]) if found else values

    def media(self, value: str, kind: str, site: str) -> None:
        """Do with media as the policy says."""
        rule = self._book.block.media
        if rule == "block":
            raise Blocked("MEDIA", site)
        self.media_parts.append(Media(site, kind, len(value)))

    def _over(self, whole: str, seam: int, found: Sequence[Entity]) -> list[Entity]:
        """Give what goes over a seam; a long value, such as a private key, from where it began to where it ends."""
        begun = [one.start for one in found if one.start < seam and not whole[one.end : seam].strip()]
        start = min((max(0, seam - _SEAM), *begun))
        for end in (seam + _SEAM, len(whole)):
            window = [_shift(entity, start) for entity in self._finder.find(whole[start:end])]
            across = [entity for entity in window if entity.start < seam < entity.end]
            if not any(entity.end >= end for entity in across):
                break
        return across

    def _find(self, value: str, hint: str) -> list[Entity]:
        found = self._finder.cached(value, hint)
        return [*found, *named] if (named := self._named.get(value)) else list(found)

    def _rewrite(self, value: str, site: str, found: list[Entity], seams: Sequence[int] = ()) -> list[str]:
        """Write the pieces of `value` between seams, with what stands for the found entities."""
        kept = self._enforced(value, site, found)
        if not kept:
            return [value] if not seams else _cut(value, seams)
        pieces: list[str] = []
        out: list[str] = []
        done = 0
        borders = [*seams, len(value)]
        has_links = "://" in value
        for entity, rule in kept:
            done = _copy(value, done, entity.start, borders, out, pieces)
            mark = self._stand_in(value[entity.start : entity.end], entity.kind, rule)
            if has_links and (link := link_at("".join(out[-_LAST_PIECES:]))):
                self.vault.links.add(link + mark)
            out.append(mark)
            done = _skip(done, entity.end, borders, out, pieces)
        _copy(value, done, len(value), borders, out, pieces)
        return [*pieces, "".join(out)]

    def _enforced(self, value: str, site: str, found: list[Entity]) -> list[tuple[Entity, Rule]]:
        """Judge entities by their rules, note each as a finding, and give those that are to be rewritten."""
        role = site.partition(":")[0]
        acting: list[Entity] = []
        allowed = self._book.allowed(value)
        for entity in found:
            if entity.kind == placeholders.KIND:
                self.literals.add(value[entity.start : entity.end])
                continue
            if allowed and any(start <= entity.start and entity.end <= end for start, end in allowed):
                continue
            rule = self._book.rule(role, entity.kind)
            if rule is None or rule.operator == "keep" or entity.score < rule.min_score or rule.observe:
                self._note(
                    entity, site, "observe" if rule and rule.observe and entity.score >= rule.min_score else "keep"
                )
            else:
                acting.append(entity)
                self._refuse(entity, rule, site)
        kept = [
            (entity, rule)
            for entity in resolve(acting, value)
            if (rule := self._book.rule(role, entity.kind)) is not None
        ]
        for entity, rule in kept:
            self._note(entity, site, rule.operator)
        return kept

    def _refuse(self, entity: Entity, rule: Rule, site: str) -> None:
        """Refuse the call for a blocked value, also where another label would win the overlap."""
        if rule.operator == "block":
            self._note(entity, site, "block")
            raise Blocked(entity.kind, site.partition(":")[0])

    def _note(self, entity: Entity, site: str, action: str) -> None:
        self.findings.append(
            Finding(site, entity.kind, entity.start, entity.end, entity.score, entity.recognizer, action)
        )

    def _stand_in(self, value: str, kind: str, rule: Rule) -> str:
        self.vault.hmacs.append(ValueHash(kind, self._minter.digest(kind, value)))
        if rule.operator != "pseudonym":
            return substitute(rule, kind, value, self._minter)
        for attempt in range(64):
            mark = self._minter.placeholder(kind, value, attempt)
            if mark not in self._avoid and self.vault.values.setdefault(mark, value) == value:
                return mark
        raise AssertionError("no free placeholder in 64 attempts")


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
