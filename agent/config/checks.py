"""What the keys of a file say together: references, duplicates and contradictions. Each check yields its problems."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from agent.config.document import Data, Document
from agent.config.hosts import literal_address
from agent.config.problems import Key, Problem
from agent.config.sections.paths import ProofSection, TargetSection
from agent.config.sections.probes import KINDS, ProbeSection
from agent.config.validation import Sections, did_you_mean, named, rows
from collectors.path import IPAddress

DEFAULT_PATH = "default"
"""The path of a file that names none: the kernel's routes decide."""
_ONLY_DEFAULT = (DEFAULT_PATH,)


def problems_between(document: Document, sections: Sections) -> Iterator[Problem]:
    """Yield everything that is wrong between the parts of a file.

    References and kinds are checked in the plain data, so that one wrong key of a probe hides none of its others.
    """
    for plain_check in (_probe_names, _probe_kinds, _probe_references, _address_references, _comparison_references):
        yield from plain_check(document)
    for check in (_pinning, _proofs, _reachability, _comparisons):
        yield from check(document, sections)


def host_on(target: TargetSection, path: str) -> str | None:
    """Return the host of a target on a path, ``None`` where it has none."""
    return target.address.get(path) if isinstance(target.address, dict) else target.address


def paths_of(probe: ProbeSection, sections: Sections) -> Collection[str]:
    """Return the names of the paths that a probe is sent over."""
    return sections.paths.keys() if probe.paths is None else probe.paths


def _path_names(document: Document) -> Collection[str]:
    return named(document.data, "paths").keys() or _ONLY_DEFAULT


def _probes(document: Document) -> Iterator[tuple[int, Mapping[str, Data]]]:
    for index, probe in rows(document.data, "probes").items():
        if isinstance(probe, dict):
            yield index, probe


def _probe_names(document: Document) -> Iterator[Problem]:
    first: dict[Data, int] = {}
    for index, probe in rows(document.data, "probes").items():
        name = probe.get("name") if isinstance(probe, dict) else None
        if not isinstance(name, str):
            continue
        if name in first:
            key = ("probes", index, "name")
            yield document.problem(key, f"probe {first[name]} has the name '{name}' already: give each its own")
        first.setdefault(name, index)


def _probe_kinds(document: Document) -> Iterator[Problem]:
    for index, probe in _probes(document):
        kinds = [kind for kind in KINDS if kind in probe]
        if not kinds:
            *most, last = (f"'{kind}: {{}}'" for kind in KINDS)
            message = f"says not what to send: add {', '.join(most)} or {last}"
            yield document.problem(("probes", index), message)
        for kind in kinds[1:]:
            message = f"a probe is either {kinds[0]} or {kind}: make two probes of it"
            yield document.problem(("probes", index, kind), message, at_key=True)


def _probe_references(document: Document) -> Iterator[Problem]:
    known = {"targets": named(document.data, "targets").keys(), "paths": _path_names(document)}
    for index, probe in _probes(document):
        for section, names in known.items():
            yield from _listed(document, ("probes", index, section), rows(probe, section), section, names)


def _listed(
    document: Document, key: Key, references: Mapping[int, Data], section: str, known: Collection[str]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in references.items():
        if not isinstance(name, str):
            continue
        if name not in known:
            yield document.problem((*key, index), _unknown(name, section, known))
        elif name in seen:
            yield document.problem((*key, index), f"'{name}' is given twice: remove one")
        seen.add(name)


def _unknown(name: str, section: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    if hint is None:
        missing = not known or known == _ONLY_DEFAULT
        hint = f"this file has no {section}" if missing else f"'{section}' has {', '.join(known)}"
    return f"there is no {section.removesuffix('s')} {name!r}; {hint}"


def _address_references(document: Document) -> Iterator[Problem]:
    known = _path_names(document)
    for name, target in named(document.data, "targets").items():
        for path in named(target, "address") if isinstance(target, dict) else ():
            if path not in known:
                yield document.problem(("targets", name, "address", path), _unknown(path, "paths", known), at_key=True)


def _comparison_references(document: Document) -> Iterator[Problem]:
    probes = [row["name"] for row in rows(document.data, "probes").values() if isinstance(row, dict) and "name" in row]
    known = {
        "baseline": ("paths", _path_names(document)),
        "candidate": ("paths", _path_names(document)),
        "probe": ("probes", [name for name in probes if isinstance(name, str)]),
    }
    for index, comparison in rows(document.data, "comparisons").items():
        for field, (section, names) in known.items():
            name = comparison.get(field) if isinstance(comparison, dict) else None
            if isinstance(name, str) and name not in names:
                yield document.problem(("comparisons", index, field), _unknown(name, section, names))


def _pinning(document: Document, sections: Sections) -> Iterator[Problem]:
    for (first, one), (second, other) in combinations(sections.paths.items(), 2):
        alike = (one.source, one.interface, one.fwmark) == (other.source, other.interface, other.fwmark)
        if alike and not _told_apart_by_address(sections, first, second):
            yield document.problem(
                ("paths", second),
                f"pinned exactly as path '{first}': give one of them another source, interface or fwmark, "
                "or the targets an address for each path",
                at_key=True,
            )


def _told_apart_by_address(sections: Sections, first: str, second: str) -> bool:
    """Tell whether each target that is probed over both paths has another address on each (two virtual networks)."""
    shared = [
        sections.targets[target]
        for probe in sections.probes.values()
        if {first, second} <= {*paths_of(probe, sections)}
        for target in probe.targets
        if target in sections.targets
    ]
    return bool(shared) and all(host_on(target, first) != host_on(target, second) for target in shared)


def _proofs(document: Document, sections: Sections) -> Iterator[Problem]:
    for path, section in sections.paths.items():
        if section.proof is None:
            continue
        key = ("paths", path, "proof")
        for (first, one), (second, other) in combinations(section.proof.prefixes.items(), 2):
            if one.version == other.version and one.overlaps(other):
                yield document.problem((*key, second), f"overlaps '{first}' ({one}): a hop in both proves neither")
        yield from _contradictions(document, key, section.proof)


def _contradictions(document: Document, key: Key, proof: ProofSection) -> Iterator[Problem]:
    for index, absent in enumerate(proof.absent):
        for name, network in proof.prefixes.items():
            if network.version == absent.version and network.overlaps(absent):
                message = f"overlaps '{name}' ({network}): the same hop would prove this path and disprove it"
                yield document.problem((*key, "absent", index), message)


def _reachability(document: Document, sections: Sections) -> Iterator[Problem]:
    """Check each target on each path that it is probed over, once."""
    uses = {
        (target, path): probe.name
        for probe in reversed(tuple(sections.probes.values()))
        for target in probe.targets
        for path in paths_of(probe, sections)
        if target in sections.targets and path in sections.paths
    }
    for (target, path), probe_name in uses.items():
        key: Key = ("targets", target, "address")
        host = host_on(sections.targets[target], path)
        if host is None:
            yield document.problem(
                key, f"has no address for path '{path}', which probe '{probe_name}' uses: add '{path}:'"
            )
        elif _is_other_family(host, sections.paths[path].source):
            in_mapping = isinstance(sections.targets[target].address, dict)
            source = sections.paths[path].source
            yield document.problem(
                (*key, path) if in_mapping else key,
                f"{host} cannot be reached from {source}, the source of path '{path}': one is IPv4, the other IPv6",
            )


def _is_other_family(host: str, source: IPAddress | None) -> bool:
    address = literal_address(host)
    return source is not None and address is not None and address.version != source.version


def _comparisons(document: Document, sections: Sections) -> Iterator[Problem]:
    probes = {probe.name: probe for probe in sections.probes.values()}
    seen: set[tuple[str, str, str]] = set()
    for index, comparison in sections.comparisons.items():
        sides = {"baseline": comparison.baseline, "candidate": comparison.candidate}
        identity = (comparison.probe, comparison.baseline, comparison.candidate)
        if comparison.baseline == comparison.candidate:
            yield document.problem(("comparisons", index, "candidate"), "is the baseline too: name another path")
        if identity in seen:
            yield document.problem(("comparisons", index), "is in this file already: remove one")
        seen.add(identity)
        for field, path in sides.items():
            probe = probes.get(comparison.probe)
            if probe is not None and path in sections.paths and path not in paths_of(probe, sections):
                message = f"probe '{probe.name}' does not use path '{path}': add it to the probe's paths"
                yield document.problem(("comparisons", index, field), message)
