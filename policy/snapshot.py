"""One policy tree as an immutable value: content-addressed bytes, and the policy that governs a call."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from policy.automations import Automation
from policy.certificate import Certificate, Certificates
from policy.model import FACT_NAMES, Bound, Facts, Policy, Ungoverned
from policy.prices import PriceList
from policy.prompts import Key, Prompt
from policy.providers import Provider, ProviderList
from policy.selection import most_specific
from policy.stricter import tightened
from policy.templates import Template
from policy.tighten import Tighten
from policy.values import canonical, dump, hash12

_CACHE_LIMIT = 8192
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One policy with the file it came from."""

    file: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Contents:
    """The checked parts of a policy tree."""

    entries: tuple[Entry, ...]
    providers: ProviderList
    prices: PriceList
    automations: tuple[Automation, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    templates: tuple[Template, ...] = ()

    def to_bytes(self) -> bytes:
        """Write the parts as canonical JSON."""
        value = {
            "format": _FORMAT,
            "policies": [{"file": entry.file, "policy": dump(entry.policy)} for entry in self.entries],
            "providers": dump(self.providers),
            "prices": dump(self.prices),
            "automations": [dump(each) for each in self.automations],
            "prompts": [dump(each) for each in self.prompts],
            "certificates": [dump(each) for each in self.certificates],
            "templates": [dump(each) for each in self.templates],
        }
        return canonical(value)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote; ValueError when it is something else."""
        value = json.loads(content)
        if not isinstance(value, dict) or value.get("format") != _FORMAT:
            raise ValueError("these bytes are no policy snapshot of a format this version knows")
        return cls(
            tuple(Entry(each["file"], Policy.model_validate(each["policy"])) for each in value["policies"]),
            ProviderList.model_validate(value["providers"]),
            PriceList.model_validate(value["prices"]),
            tuple(Automation.model_validate(each) for each in value.get("automations", ())),
            tuple(Prompt.model_validate(each) for each in value.get("prompts", ())),
            tuple(Certificate.model_validate(each) for each in value.get("certificates", ())),
            tuple(Template.model_validate(each) for each in value.get("templates", ())),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A checked policy tree; `git_commit` and `dirty` tell its origin and are not part of the content."""

    entries: tuple[Entry, ...]
    providers: Mapping[str, Provider]
    prices: PriceList
    automations: Mapping[str, Automation]
    prompts: Mapping[Key, Prompt]
    certificates: Certificates
    templates: Mapping[Key, Template]
    sha256: str
    content: bytes = field(repr=False)
    git_commit: str | None = None
    dirty: bool = False
    _by_facts: dict[Facts, int | None] = field(default_factory=dict, repr=False)
    _bound: dict[tuple[int, tuple[int, ...]], Bound] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, parts: Contents, *, git_commit: str | None = None, dirty: bool = False) -> Self:
        """Make a snapshot of checked parts."""
        return cls._of(parts, parts.to_bytes(), git_commit, dirty)

    @classmethod
    def from_bytes(cls, content: bytes, *, git_commit: str | None = None, dirty: bool = False) -> Self:
        """Read what `to_bytes` wrote; ValueError when it is something else."""
        # The bytes stay as they were given: a later version may know more keys, and the hash must not move.
        return cls._of(Contents.from_bytes(content), content, git_commit, dirty)

    @classmethod
    def _of(cls, parts: Contents, content: bytes, git_commit: str | None, dirty: bool) -> Self:
        return cls(
            entries=parts.entries,
            providers=parts.providers.named(),
            prices=parts.prices,
            automations={each.automation: each for each in parts.automations},
            prompts={Key(each.id, each.version): each for each in parts.prompts},
            certificates=Certificates.of(parts.certificates),
            templates={Key(each.template, each.version): each for each in parts.templates},
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
            git_commit=git_commit,
            dirty=dirty,
        )

    def to_bytes(self) -> bytes:
        """Give the canonical JSON whose SHA-256 is `sha256`."""
        return self.content

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Give the policies by name."""
        return {entry.policy.policy: entry.policy for entry in self.entries}

    def bind(self, facts: Facts, labels: Mapping[str, str]) -> Bound:
        """Give the policy that governs a call; labels can only tighten it. `Ungoverned` when there is none."""
        index = self._select(facts)
        if index is None:
            raise Ungoverned("no policy governs this key")
        policy = self.entries[index].policy
        active = tuple(n for n, block in enumerate(policy.tighten) if _active(block, facts, labels))
        found = self._bound.get((index, active))
        if found is None:
            found = self._bound[index, active] = _bind(policy, active)
        return found

    def named(self, name: str) -> Bound | None:
        """Give a policy by its name as it governs calls without labels; None when there is none of that name."""
        policy = self.policies.get(name)
        return None if policy is None else _bind(policy, ())

    def _select(self, facts: Facts) -> int | None:
        if facts in self._by_facts:
            return self._by_facts[facts]
        if len(self._by_facts) >= _CACHE_LIMIT:
            self._by_facts.clear()
        index = most_specific([entry.policy.applies_to for entry in self.entries], facts)
        self._by_facts[facts] = index
        return index


def _active(block: Tighten, facts: Facts, labels: Mapping[str, str]) -> bool:
    """Say whether a call carries all labels of a block; a fact of the key counts as a label of that name."""
    return all(_carries(name, values, facts, labels) for name, values in block.when.items())


def _carries(name: str, values: tuple[str, ...], facts: Facts, labels: Mapping[str, str]) -> bool:
    said = [labels.get(name), getattr(facts, name) if name in FACT_NAMES else None]
    wanted = {value.casefold() for value in values}
    return any(value is not None and value.strip().casefold() in wanted for value in said)


def _bind(policy: Policy, active: tuple[int, ...]) -> Bound:
    effective = policy
    for index in active:
        effective = tightened(effective, policy.tighten[index])
    names = tuple(f"tighten[{index}]" for index in active)
    return Bound(effective, policy.policy, hash12(dump(effective)), names)
