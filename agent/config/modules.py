"""Modules, the probes that are made on request: what is wrong with them, and what the right ones come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.config.checks import DEFAULT_PATH
from agent.config.document import Document
from agent.config.problems import Key, Problem
from agent.config.sections.modules import HttpModuleSection, ModuleSection, OnRequestSection
from agent.config.sections.probes import PROBE_KINDS
from agent.config.validation import named, rows
from agent.plan import ANY_URL, Module, OnRequestPlan, ProbeOptions
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, PacketMarks
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions

_MS, _S = 1_000_000, 1_000_000_000


def module_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong between the keys of each module."""
    path_names = tuple(named(document.data, "paths")) or (DEFAULT_PATH,)
    for name, module in named(document.data, "modules").items():
        if not isinstance(module, dict):
            continue
        place: Key = ("modules", name)
        kinds = [kind for kind in PROBE_KINDS if kind in module]
        if not kinds:
            *most, last = (f"'{kind}: {{}}'" for kind in PROBE_KINDS)
            yield document.problem(place, f"says not what to send: add {', '.join(most)} or {last}", at_key=True)
        for kind in kinds[1:]:
            message = f"a module is either {kinds[0]} or {kind}: make two modules of it"
            yield document.problem((*place, kind), message, at_key=True)
        for index, path in rows(module, "paths").items():
            if isinstance(path, str) and path not in path_names:
                message = f"there is no path {path!r}; there are {', '.join(path_names)}"
                yield document.problem((*place, "paths", index), message)
        yield from _http_problems(document, place, named(module, "http"))


def _http_problems(document: Document, place: Key, http: Mapping[str, object]) -> Iterator[Problem]:
    folder, file = Path(document.file).parent, http.get("ca_file")
    if isinstance(file, str) and not (folder / file).is_file():
        message = f"there is no file {file}: give one in PEM format, beside this one or with its full name"
        yield document.problem((*place, "http", "ca_file"), message)


def on_request(
    section: OnRequestSection,
    modules: Mapping[str, ModuleSection],
    paths: Mapping[str, NetworkPath],
    stamp: Mapping[str, StampOptions],
    folder: Path,
) -> OnRequestPlan:
    """Return what is probed on request; ``stamp`` has the options of modules that send STAMP, with their keys."""
    found = {
        name: Module(
            name=name,
            options=stamp[name] if name in stamp else _options(module, folder),
            count=module.count,
            interval_ns=module.interval,
            timeout_ns=module.timeout,
            paths=tuple(paths.values()) if module.paths is None else tuple(paths[path] for path in module.paths),
        )
        for name, module in modules.items()
    }
    return OnRequestPlan(
        modules=found or default_modules(tuple(paths.values())), allow=tuple(section.allow), at_once=section.at_once
    )


def default_modules(paths: tuple[NetworkPath, ...]) -> Mapping[str, Module]:
    """Return the modules of a file that has none: as blackbox_exporter's example names them, over all paths."""
    several = {"count": 10, "interval_ns": 100 * _MS, "timeout_ns": _S}
    once = {"count": 1, "interval_ns": _S, "timeout_ns": 5 * _S}
    web = HttpOptions(url=ANY_URL, expected=((200, 299),))
    return {
        "icmp": Module(name="icmp", options=IcmpOptions(), paths=paths, **several),
        "stamp": Module(name="stamp", options=StampOptions(), paths=paths, **several),
        "tcp_connect": Module(name="tcp_connect", options=TcpOptions(), paths=paths, **once),
        "http_2xx": Module(name="http_2xx", options=web, paths=paths, **once),
    }


def _options(module: ModuleSection, folder: Path) -> ProbeOptions:
    if module.icmp is not None:
        marks = PacketMarks(dscp=module.icmp.dscp, dont_fragment=module.icmp.dont_fragment)
        return IcmpOptions(size=module.icmp.size, marks=marks)
    if module.tcp is not None:
        return TcpOptions(port=module.tcp.port, marks=PacketMarks(dscp=module.tcp.dscp))
    assert module.http is not None, "checked: each module has exactly one kind, and those of STAMP are made elsewhere"
    return _http_options(module.http, folder)


def _http_options(http: HttpModuleSection, folder: Path) -> HttpOptions:
    return HttpOptions(
        url=ANY_URL,
        method=http.method,
        expected=http.expect,
        max_body=http.max_body,
        verify=http.verify,
        ca_file=None if http.ca_file is None else folder / http.ca_file,
        marks=PacketMarks(dscp=http.dscp),
    )
