"""What the keys of STAMP's sections say together: one key, sizes, and SSIDs that no two streams share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from agent.config.checks import host_on, paths_of
from agent.config.document import Data, Document
from agent.config.problems import Key, Problem
from agent.config.sections.probes import ProbeSection, StampSection
from agent.config.validation import Sections, named, rows
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE

_LAST_SSID = 0xFFFF


def stamp_problems(document: Document, sections: Sections) -> Iterator[Problem]:
    """Yield what is wrong within STAMP's sections, and between those of different probes."""
    for place, section in _plain_sections(document):
        yield from _one_key(document, place, section)
        yield from _required_ssid(document, place, section)
        for field in ("tlvs", "ssids"):
            yield from _given_twice(document, (*place, field), rows(section, field))
    yield from _sizes(document, sections)
    yield from _ssids(document, sections)


def _plain_sections(document: Document) -> Iterator[tuple[Key, Mapping[str, Data]]]:
    for index, probe in rows(document.data, "probes").items():
        if isinstance(probe, dict):
            yield ("probes", index, "stamp"), named(probe, "stamp")
    for name, module in named(document.data, "modules").items():
        if isinstance(module, dict):
            yield ("modules", name, "stamp"), named(module, "stamp")
    yield ("reflector", "stamp"), named(named(document.data, "reflector"), "stamp")


def _one_key(document: Document, place: Key, section: Mapping[str, Data]) -> Iterator[Problem]:
    if "key_file" in section and "key_credential" in section:
        message = "key_file names the key already: remove one of them"
        yield document.problem((*place, "key_credential"), message, at_key=True)


def _required_ssid(document: Document, place: Key, section: Mapping[str, Data]) -> Iterator[Problem]:
    if section.get("ssid_required") is True and "ssid" not in section:
        yield document.problem((*place, "ssid_required"), "needs an ssid, which answers are to carry", at_key=True)


def _given_twice(document: Document, key: Key, items: Mapping[int, Data]) -> Iterator[Problem]:
    seen: list[Data] = []
    for index, item in items.items():
        if item in seen:
            yield document.problem((*key, index), f"{item!r} is given twice: remove one")
        seen.append(item)


def _stamp_probes(sections: Sections) -> Iterator[tuple[int, ProbeSection, StampSection]]:
    for index, probe in sections.probes.items():
        if probe.stamp is not None:
            yield index, probe, probe.stamp


def _sizes(document: Document, sections: Sections) -> Iterator[Problem]:
    for index, _, stamp in _stamp_probes(sections):
        has_key = stamp.key_file is not None or stamp.key_credential is not None
        if has_key and "size" in stamp.model_fields_set and stamp.size < AUTHENTICATED_BASE_SIZE:
            message = f"with a key, packets have {AUTHENTICATED_BASE_SIZE} octets or more: write so, or remove the key"
            yield document.problem(("probes", index, "stamp", "size"), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    """A probe whose streams have SSIDs, and the far ends that tell them from those of other probes."""

    index: int
    name: str
    ssids: range
    far_ends: frozenset[tuple[str, int]]

    @property
    def numbers(self) -> str:
        first, last = self.ssids[0], self.ssids[-1]
        return str(first) if first == last else f"{first} to {last}"


def _ssids(document: Document, sections: Sections) -> Iterator[Problem]:
    numbered = [found for probe in _stamp_probes(sections) if (found := _numbered(*probe, sections)) is not None]
    for probe in numbered:
        if probe.ssids[-1] > _LAST_SSID:
            message = (
                f"the {len(probe.ssids)} streams of the probe would have {probe.numbers}, and the last SSID is "
                f"{_LAST_SSID}: begin at {_LAST_SSID + 1 - len(probe.ssids)} or below"
            )
            yield document.problem(("probes", probe.index, "stamp", "ssid"), message)
    for first, second in combinations(numbered, 2):
        shared = first.far_ends & second.far_ends
        if shared and set(first.ssids) & set(second.ssids):
            host, port = min(shared)
            message = (
                f"probe '{first.name}' has {first.numbers} at port {port} of {host}, and this one would have "
                f"{second.numbers}: begin at {first.ssids[-1] + 1}, or at another port"
            )
            yield document.problem(("probes", second.index, "stamp", "ssid"), message)


def _numbered(index: int, probe: ProbeSection, stamp: StampSection, sections: Sections) -> _Numbered | None:
    """Return the SSIDs of a probe's streams, each target's in the order of the paths, as the plan has them."""
    paths = paths_of(probe, sections)
    if stamp.ssid is None or not paths:
        return None
    hosts = {
        host_on(sections.targets[target], path)
        for target in probe.targets
        for path in paths
        if target in sections.targets
    }
    return _Numbered(
        index=index,
        name=probe.name,
        ssids=range(stamp.ssid, stamp.ssid + len(probe.targets) * len(paths)),
        far_ends=frozenset((host, stamp.port) for host in hosts if host is not None),
    )
