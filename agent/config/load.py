"""A configuration file to a plan, or everything that is wrong with it. Resolves no names and opens no sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.config.checks import DEFAULT_PATH, problems_between
from agent.config.document import Document, parse_document
from agent.config.http import http_problems
from agent.config.iperf3_server import iperf3_server_plan, iperf3_server_problems
from agent.config.model import ComparisonSection, Configuration
from agent.config.modules import module_problems, on_request
from agent.config.problems import ConfigError, Problem
from agent.config.remote import remote_problems, remote_write_plan
from agent.config.secrets import NO_SECRETS, Secret, Secrets, secrets_of
from agent.config.sections.history import HistorySection
from agent.config.sections.paths import PathSection, TargetSection
from agent.config.sections.probes import HttpSection, IcmpSection, ProbeSection, StampSection
from agent.config.stamp import stamp_problems
from agent.config.throughput import throughput_plans, throughput_problems
from agent.config.validation import sections, validated
from agent.config.values import parse_name
from agent.plan import ComparisonPlan, HistoryPlan, Plan, Probe, ProbeOptions, ReflectorPlan
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, PacketMarks, PathProof, Target
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.sender import StampOptions
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE
from collectors.tcp.options import TcpOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A plan, and the document that it was read from: later problems can still name their lines."""

    plan: Plan
    document: Document


def load_plan(path: Path, *, with_keys: bool = True) -> Plan:
    """Read the configuration file at ``path``; raise :class:`ConfigError` with all that is wrong with it.

    Without keys, for those who only look up paths and targets: the service's keys are often not theirs to read.
    """
    return load(path, with_keys=with_keys).plan


def load(path: Path, *, with_keys: bool = True) -> Loaded:
    """Read the configuration file at ``path`` and keep its lines; otherwise as :func:`load_plan`."""
    document = parse_document(_octets(path), file=str(path))
    return plan_of(document, host_name=socket.gethostname(), with_keys=with_keys)


def plan_of(
    document: Document, *, host_name: str, environment: Mapping[str, str] = os.environ, with_keys: bool = True
) -> Loaded:
    """Check a document and make the plan that it describes.

    ``host_name`` is the agent's name where it gives none; ``environment`` says where systemd put credentials.
    """
    configuration = validated(document)
    right = sections(document.data)
    folder = Path(document.file).parent
    secrets = secrets_of(document, right, environment) if with_keys else NO_SECRETS
    found = [
        *document.problems,
        *problems_between(document, right),
        *stamp_problems(document, right),
        *http_problems(document, right, folder),
        *remote_problems(document, folder),
        *module_problems(document),
        *throughput_problems(document, right, environment, with_keys=with_keys),
        *iperf3_server_problems(document, environment, with_keys=with_keys),
        *secrets.problems,
    ]
    if not isinstance(configuration, Configuration):
        raise ConfigError([*configuration, *found])
    agent = configuration.agent.name or host_name
    try:
        parse_name(agent)
    except ValueError as error:
        found.append(document.problem(("agent", "name"), f"missing, and this host's name does not serve: {error}"))
    if found:
        raise ConfigError(found)
    plan = _plan(configuration, agent, secrets, folder, environment if with_keys else None)
    if with_keys and configuration.reflector is not None:
        server = iperf3_server_plan(configuration.reflector.iperf3, folder, environment)
        plan = replace(plan, iperf3_server=server)
    return Loaded(plan=plan, document=document)


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        message = f"cannot be read by this user (id {os.geteuid()}): chmod 0644, with 0755 for its folders"
        raise ConfigError([Problem(file=str(path), message=message)]) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name the file with --config"
        raise ConfigError([Problem(file=str(path), message=message)]) from error


def _plan(
    configuration: Configuration, agent: str, secrets: Secrets, folder: Path, environment: Mapping[str, str] | None
) -> Plan:
    paths = {name: _path(name, path) for name, path in configuration.paths.items()}
    paths = paths or {DEFAULT_PATH: NetworkPath(name=DEFAULT_PATH)}
    targets = {name: _target(name, target) for name, target in configuration.targets.items()}
    stamp_modules = {
        name: _stamp_options(module.stamp, _marks(module.stamp), secrets.modules.get(name))
        for name, module in configuration.modules.items()
        if module.stamp is not None
    }
    return Plan(
        agent=agent,
        listen=configuration.listen,
        probes=tuple(
            _probe(probe, _options(probe, secrets.probes.get(index), folder), targets, paths)
            for index, probe in enumerate(configuration.probes)
            if probe.iperf3 is None
        ),
        throughput=throughput_plans(configuration, targets, paths, folder, environment),
        reflector=_reflector(configuration, secrets.reflector),
        comparisons=tuple(_comparison(comparison) for comparison in configuration.comparisons),
        history=_history(configuration.history, folder),
        remote_write=remote_write_plan(configuration.remote_write, folder),
        paths=paths,
        targets=targets,
        gateways={name: path.gateway for name, path in configuration.paths.items() if path.gateway is not None},
        on_request=on_request(configuration.on_request, configuration.modules, paths, stamp_modules, folder),
    )


def _path(name: str, path: PathSection) -> NetworkPath:
    proof = path.proof
    return NetworkPath(
        name=name,
        kind=path.kind,
        source=path.source,
        interface=path.interface,
        fwmark=path.fwmark,
        rate=path.rate,
        proof=None if proof is None else PathProof(prefixes=proof.prefixes, absent=tuple(proof.absent)),
    )


def _target(name: str, target: TargetSection) -> Target:
    if isinstance(target.address, dict):
        return Target(name=name, hosts=target.address)
    return Target(name=name, host=target.address)


def _probe(
    probe: ProbeSection, options: ProbeOptions, targets: Mapping[str, Target], paths: Mapping[str, NetworkPath]
) -> Probe:
    return Probe(
        name=probe.name,
        options=options,
        interval_ns=probe.interval,
        timeout_ns=probe.timeout,
        targets=tuple(targets[name] for name in probe.targets),
        paths=tuple(paths.values()) if probe.paths is None else tuple(paths[name] for name in probe.paths),
    )


def _options(probe: ProbeSection, secret: Secret | None, folder: Path) -> ProbeOptions:
    if probe.icmp is not None:
        return IcmpOptions(size=probe.icmp.size, marks=_marks(probe.icmp))
    if probe.stamp is not None:
        return _stamp_options(probe.stamp, _marks(probe.stamp), secret)
    if probe.tcp is not None:
        return TcpOptions(port=probe.tcp.port, marks=PacketMarks(dscp=probe.tcp.dscp))
    assert probe.http is not None, "checked: each probe has exactly one kind"
    return _http_options(probe.http, folder)


def _marks(sent: IcmpSection | StampSection) -> PacketMarks:
    return PacketMarks(dscp=sent.dscp, dont_fragment=sent.dont_fragment)


def _stamp_options(stamp: StampSection, marks: PacketMarks, secret: Secret | None) -> StampOptions:
    return StampOptions(
        port=stamp.port,
        size=stamp.size if secret is None else max(stamp.size, AUTHENTICATED_BASE_SIZE),
        marks=marks,
        key=None if secret is None else secret.key,
        ssid=stamp.ssid or 0,
        ssid_required=stamp.ssid_required,
        ptp=stamp.timestamps == "ptp",
        tlvs=None if stamp.tlvs is None else tuple(stamp.tlvs),
        one_way_limit_ns=stamp.one_way_limit,
    )


def _http_options(http: HttpSection, folder: Path) -> HttpOptions:
    return HttpOptions(
        url=http.url,
        method=http.method,
        expected=http.expect,
        follow=http.follow,
        max_body=http.max_body,
        verify=http.verify,
        ca_file=None if http.ca_file is None else folder / http.ca_file,
        marks=PacketMarks(dscp=http.dscp),
    )


def _reflector(configuration: Configuration, secret: Secret | None) -> ReflectorPlan | None:
    if configuration.reflector is None:
        return None
    stamp, twamp = configuration.reflector.stamp, configuration.reflector.twamp
    return ReflectorPlan(
        listen=stamp.listen,
        allow=tuple(stamp.allow),
        key_file=None if secret is None else secret.path,
        packets_per_second=stamp.packets_per_second,
        max_sessions=stamp.max_sessions,
        ssids=tuple(stamp.ssids or ()),
        twamp=None if twamp is None else twamp.listen,
        twamp_max_sessions=MAX_PROVIDED if twamp is None else twamp.max_sessions,
    )


def _history(history: HistorySection | None, folder: Path) -> HistoryPlan | None:
    if history is None:
        return None
    return HistoryPlan(directory=folder / history.directory, keep_ns=history.keep, max_octets=history.max_size)


def _comparison(comparison: ComparisonSection) -> ComparisonPlan:
    return ComparisonPlan(
        baseline=comparison.baseline,
        candidate=comparison.candidate,
        probe=comparison.probe,
        margin_ns=comparison.margin,
    )
