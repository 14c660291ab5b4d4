"""From a folder of YAML files to a snapshot, or to the full list of what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from policy.automations import Automation, unfit
from policy.certificate import Certificate, clashes
from policy.files import RawFile, read_each, read_folder
from policy.floors import Floors, undercut
from policy.git import git_state
from policy.model import Blocks, Defaults, Policy
from policy.prices import PriceList
from policy.problems import PolicyErrors, Pos, Problem, Source, near, problem
from policy.prompt_files import read_prompts
from policy.prompts import missing
from policy.providers import ProviderList
from policy.reach import pointless
from policy.selection import Region, ties
from policy.snapshot import Contents, Entry, Snapshot
from policy.template_files import missing_templates, read_templates
from policy.validation import validated
from policy.values import Block
from policy.yaml_reader import read_yaml

AUTOMATIONS, CERTIFICATES = "automations", "certificates"
DEFAULTS, FLOORS, PROVIDERS, PRICES = "_defaults.yaml", "_floors.yaml", "providers.yaml", "prices.yaml"
_SPECIAL = (DEFAULTS, FLOORS, PROVIDERS, PRICES)

_B = TypeVar("_B", bound=Block)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot with the places of everything its files say."""

    snapshot: Snapshot
    sources: Mapping[str, Source]


def load_tree(directory: Path) -> Snapshot:
    """Load and check a policy folder; raise `PolicyErrors` with every problem found."""
    return load_with_places(directory).snapshot


def load_with_places(directory: Path) -> Loaded:
    """Load like `load_tree`, and keep where everything stands."""
    sources, problems = _read(directory)
    tree = _Tree(sources, problems)
    defaults = tree.special(DEFAULTS, Defaults)
    floors = tree.special(FLOORS, Floors) or Floors(schema_=1)
    providers = tree.special(PROVIDERS, ProviderList) or ProviderList(schema_=1)
    prices = tree.special(PRICES, PriceList) or PriceList(schema_=1)
    loaded = list(tree.policies(sources.get(DEFAULTS) if defaults else None))
    prompts, wrong = read_prompts(directory)
    templates, wrong_templates = read_templates(directory)
    problems.extend((*wrong, *wrong_templates, *_across(loaded, floors)))
    # What refers to other files is only checked when those are right: no problem is reported twice.
    registered = list(_registered(directory, [policy for policy, _ in loaded], problems))
    certificates = list(_certificates(directory, problems))
    if not problems:
        problems.extend(each for policy, source in loaded for each in missing(policy, source, prompts))
        problems.extend(each for policy, source in loaded for each in missing_templates(policy, source, templates))
    if problems:
        raise PolicyErrors(problems)
    if not loaded:
        raise PolicyErrors([problem(Pos(directory.name or ".", 1, 1), (), "no policy file here; add default.yaml")])
    entries = tuple(Entry(source.file, policy) for policy, source in loaded)
    registry = (tuple(registered), tuple(prompts.values()), tuple(certificates), tuple(templates.values()))
    parts = Contents(entries, providers, prices, *registry)
    git = git_state(directory)
    snapshot = Snapshot.build(parts, git_commit=git.commit, dirty=git.dirty)
    return Loaded(snapshot, {source.file: source for _, source in loaded})


def _across(loaded: list[tuple[Policy, Source]], floors: Floors) -> Iterator[Problem]:
    """Check policies against each other and against the floors."""
    yield from _same_names(loaded)
    yield from _ties(loaded)
    for policy, source in loaded:
        yield from undercut(policy, source, floors)
        yield from pointless(policy, source)


def _registered(directory: Path, policies: list[Policy], problems: list[Problem]) -> Iterator[Automation]:
    """Read and check the registry of automations."""
    sources, wrong = _read(directory, AUTOMATIONS)
    first: dict[str, str] = {}
    for source in sources.values():
        automation, found = validated(source, Automation, Automation)
        wrong.extend(found)
        if automation is None:
            continue
        if (other := first.setdefault(automation.automation, source.file)) != source.file:
            wrong.append(near(source.places, ("automation",), f"{other} has the same name; rename one of the two"))
        if not problems:
            wrong.extend(unfit(automation, source, policies))
        yield automation
    problems.extend(wrong)


def _certificates(directory: Path, problems: list[Problem]) -> Iterator[Certificate]:
    """Read and check the certificates."""
    sources, wrong = _read(directory, CERTIFICATES)
    read = [(source, *validated(source, Certificate, Certificate)) for source in sources.values()]
    loaded = [(certificate, source) for source, certificate, _ in read if certificate is not None]
    problems.extend((*wrong, *(each for _, _, found in read for each in found), *clashes(loaded)))
    yield from (certificate for certificate, _ in loaded)


def _read(directory: Path, below: str = "") -> tuple[dict[str, Source], list[Problem]]:
    files, problems = read_folder(directory, below)
    return {source.file: source for source in read_each(files, problems, _source)}, problems


def _source(file: RawFile) -> Source:
    start = Pos(file.name, 1, 1)
    if file.name.endswith(".yml"):
        raise PolicyErrors([problem(start, (), "rename this file to .yaml; .yml files are not read")])
    if file.name.startswith("_") and file.name not in _SPECIAL:
        raise PolicyErrors([problem(start, (), f"only {DEFAULTS} and {FLOORS} begin with `_`; rename this file")])
    return read_yaml(file.name, file.raw)


class _Tree:
    """The files of one folder while they are being checked."""

    def __init__(self, sources: dict[str, Source], problems: list[Problem]) -> None:
        self.sources = sources
        self.problems = problems

    def special(self, name: str, model: type[_B]) -> _B | None:
        """Validate one of the files with a fixed name; None when it is absent or wrong."""
        source = self.sources.get(name)
        if source is None:
            return None
        return self._validated(source, model)

    def policies(self, defaults: Source | None) -> Iterator[tuple[Policy, Source]]:
        """Validate the policy files, with the defaults merged in."""
        for name, own in self.sources.items():
            if name in _SPECIAL:
                continue
            source = merged(own, defaults) if defaults else own
            policy = self._validated(source, Policy)
            if policy is not None:
                yield policy, source

    def _validated(self, source: Source, model: type[_B]) -> _B | None:
        value, wrong = validated(source, model, model)
        self.problems.extend(wrong)
        return value


def merged(own: Source, defaults: Source) -> Source:
    """Lay a policy file over the defaults: block by block, and within a block key by key, no deeper."""
    out = Source(own.file, dict(own.data), dict(own.places))
    for block in Blocks.model_fields:
        if block not in defaults.data:
            continue
        theirs, ours = defaults.data[block], own.data.get(block)
        if block not in own.data:
            out.data[block] = theirs
            _adopt(out, defaults, (block,))
        elif isinstance(theirs, dict) and isinstance(ours, dict):
            out.data[block] = {**theirs, **ours}
            for key in theirs.keys() - ours.keys():
                _adopt(out, defaults, (block, key))
    return out


def _adopt(out: Source, defaults: Source, start: tuple[str, ...]) -> None:
    length = len(start)
    out.places.update({path: place for path, place in defaults.places.items() if path[:length] == start})


def _same_names(loaded: Iterable[tuple[Policy, Source]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for policy, source in loaded:
        other = first.setdefault(policy.policy, source.file)
        if other != source.file:
            place = source.places["policy",].value
            yield problem(place, ("policy",), f"{other} has the same name; rename one of the two policies")


def _ties(loaded: list[tuple[Policy, Source]]) -> Iterator[Problem]:
    for first, second, shared in ties([policy.applies_to for policy, _ in loaded]):
        source, other = loaded[second][1], loaded[first][1].file
        place = source.places.get(("applies_to",), source.places[()])
        reason = f"{other} names as many facts and claims the same calls ({_facts(shared)}); name another fact in one"
        yield problem(place.key, ("applies_to",), reason)


def _facts(region: Region) -> str:
    named = [f"{name}: {', '.join(sorted(values)[:3])}" for name, values in sorted(region.items())]
    return "; ".join(named) or "all"
