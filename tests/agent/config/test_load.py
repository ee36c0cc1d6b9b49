"""A file becomes the plan that it describes, or every mistake in it with file, line and key."""

from __future__ import annotations

import copy
import errno
from ipaddress import ip_address, ip_network
from pathlib import Path, PosixPath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.config.document import parse_document
from agent.config.load import load, load_plan, plan_of
from agent.config.modules import default_modules
from agent.config.problems import ConfigError, Problem
from agent.plan import ComparisonPlan, OnRequestPlan, Plan, Probe, ReflectorPlan, SocketAddress
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.oneway import LIMIT_NS
from collectors.path import NetworkPath, PacketMarks, PathKind, PathProof, Target
from collectors.stamp.authentication import Key
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions

DATA = Path(__file__).parents[2] / "data" / "config"
INVALID = sorted(DATA.glob("invalid-*.yaml"))
VALID = sorted(DATA.glob("valid-*.yaml"))
EXAMPLE: dict[str, Any] = yaml.safe_load((DATA / "valid-example.yaml").read_text())

PRIMARY, SECONDARY = ip_network("192.168.11.16/30"), ip_network("192.168.11.20/30")


def plan_from(text: str, host_name: str = "this-host") -> Plan:
    return plan_of(parse_document(text.encode(), file="eragent.yaml"), host_name=host_name).plan


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        plan_from(text)
    except ConfigError as error:
        return error.problems
    return ()


def expected(file: Path) -> list[str]:
    prefix = "# expect: "
    return [line.removeprefix(prefix) for line in file.read_text().splitlines() if line.startswith(prefix)]


class Forbidden(PosixPath):
    """A file of somebody else: root, who runs some tests, may read all that there are."""

    def read_bytes(self) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))


def test_a_file_that_this_user_may_not_read_is_told_with_what_lets_it() -> None:
    with pytest.raises(
        ConfigError, match=r"^/etc/x\.yaml: cannot be read by this user \(id \d+\): chmod 0644, with 0755"
    ):
        load_plan(Forbidden("/etc/x.yaml"))


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_each_mistake_is_named_with_its_line_and_key(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_plan(file)
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == expected(file)


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_right_file_is_a_plan(file: Path) -> None:
    assert load_plan(file).probes


def test_the_plan_is_what_was_written() -> None:
    expressroute = NetworkPath(
        name="expressroute",
        kind=PathKind.EXPRESSROUTE,
        source=ip_address("10.20.0.10"),
        rate=10**9,
        proof=PathProof(prefixes={"primary": PRIMARY, "secondary": SECONDARY}),
    )
    vpn = NetworkPath(
        name="vpn",
        kind=PathKind.VPN,
        source=ip_address("10.20.1.10"),
        rate=650 * 10**6,
        proof=PathProof(absent=(PRIMARY, SECONDARY)),
    )
    hub = Target(name="azure-hub", host="10.1.0.4")
    stamp = Probe(
        name="stamp",
        options=StampOptions(port=862, size=128),
        interval_ns=100_000_000,
        timeout_ns=2_000_000_000,
        targets=(hub,),
        paths=(expressroute, vpn),
    )
    ping = Probe(
        name="ping",
        options=IcmpOptions(size=56),
        interval_ns=1_000_000_000,
        timeout_ns=2_000_000_000,
        targets=(hub,),
        paths=(expressroute, vpn),
    )
    assert load_plan(DATA / "valid-example.yaml") == Plan(
        agent="paris-dc1",
        listen=SocketAddress(host="127.0.0.1", port=9469),
        probes=(stamp, ping),
        reflector=ReflectorPlan(
            listen=SocketAddress(host="::", port=862), allow=(ip_network("10.1.0.0/16"), ip_network("10.20.0.0/16"))
        ),
        comparisons=(ComparisonPlan(baseline="vpn", candidate="expressroute", probe="stamp", margin_ns=1_000_000),),
        paths={"expressroute": expressroute, "vpn": vpn},
        targets={"azure-hub": hub},
        on_request=OnRequestPlan(modules=default_modules((expressroute, vpn))),
    )


def test_what_is_not_written_has_its_default() -> None:
    plan = plan_from("targets: {hub: {address: 10.1.0.4}}\nprobes: [{name: ping, stamp: {}, targets: [hub]}]\n")
    assert plan.agent == "this-host"
    assert str(plan.listen) == "127.0.0.1:9469"
    assert plan.reflector is None
    assert plan.comparisons == ()
    assert plan.probes == (
        Probe(
            name="ping",
            options=StampOptions(port=862, size=44, marks=PacketMarks(dscp=0, dont_fragment=False)),
            interval_ns=1_000_000_000,
            timeout_ns=2_000_000_000,
            targets=(Target(name="hub", host="10.1.0.4"),),
            paths=(NetworkPath(name="default"),),
        ),
    )


def test_a_probe_without_paths_uses_all_paths_of_the_file() -> None:
    plan = load_plan(DATA / "valid-two-networks.yaml")
    everywhere, vpn_only = plan.probes
    assert [path.name for path in everywhere.paths] == ["expressroute", "vpn"]
    assert [path.name for path in vpn_only.paths] == ["vpn"]


def test_a_target_has_one_address_for_each_path() -> None:
    plan = load_plan(DATA / "valid-two-networks.yaml")
    target = plan.targets["hub"]
    assert [target.host_on(path) for path in plan.paths.values()] == ["10.1.0.4", "10.2.0.4"]


def test_marks_and_sizes_reach_the_packets() -> None:
    plan = load_plan(DATA / "valid-two-networks.yaml")
    marks = PacketMarks(dscp=46, dont_fragment=True)
    assert [probe.options for probe in plan.probes] == [IcmpOptions(size=1400, marks=marks)] * 2
    assert plan.paths["vpn"].fwmark == 16


def test_the_reflector_answers_only_this_host_until_told_otherwise() -> None:
    reflector = plan_from("reflector: {stamp: {}}\n").reflector
    assert reflector == ReflectorPlan(
        listen=SocketAddress(host="::", port=862), allow=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )


WITH_ALL_OF_STAMP = """
paths:
  expressroute: {source: 10.20.0.10}
  vpn: {source: 10.20.1.10}
targets: {hub: {address: 10.1.0.4}}
probes:
  - name: stamp
    targets: [hub]
    stamp:
      key_file: stamp.key
      ssid: 7
      ssid_required: true
      timestamps: ptp
      tlvs: [direct_measurement, follow_up]
reflector:
  stamp:
    key_credential: reflector-key
    packets_per_second: 500
    max_sessions: 100
    ssids: [7, 8]
  twamp: {listen: "10.20.0.10:8620", max_sessions: 4}
"""
PROBE_SECRET, REFLECTOR_SECRET = b"0123456789abcdef", b"fedcba9876543210"


def loaded_beside_keys(folder: Path, text: str, *, with_keys: bool = True) -> Plan:
    """Load a file from a folder that holds its key, and its credential in a folder beneath."""
    credentials = folder / "credentials"
    credentials.mkdir()
    for file, secret in ((folder / "stamp.key", PROBE_SECRET), (credentials / "reflector-key", REFLECTOR_SECRET)):
        file.write_bytes(secret)
        file.chmod(0o600)
    document = parse_document(text.encode(), file=str(folder / "eragent.yaml"))
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    return plan_of(document, host_name="here", environment=environment, with_keys=with_keys).plan


def test_every_key_of_stamp_reaches_the_plan(tmp_path: Path) -> None:
    plan = loaded_beside_keys(tmp_path, WITH_ALL_OF_STAMP)
    assert plan.probes[0].options == StampOptions(
        port=862,
        size=112,
        key=Key(PROBE_SECRET),
        ssid=7,
        ssid_required=True,
        ptp=True,
        tlvs=("direct_measurement", "follow_up"),
    )
    assert plan.reflector == ReflectorPlan(
        listen=SocketAddress(host="::", port=862),
        allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        key_file=tmp_path / "credentials" / "reflector-key",
        packets_per_second=500,
        max_sessions=100,
        ssids=(7, 8),
        twamp=SocketAddress(host="10.20.0.10", port=8620),
        twamp_max_sessions=4,
    )


def test_who_only_looks_up_paths_needs_no_keys(tmp_path: Path) -> None:
    text = WITH_ALL_OF_STAMP.replace("stamp.key", "none.key").replace("reflector-key", "none")
    plan = loaded_beside_keys(tmp_path, text, with_keys=False)
    assert list(plan.paths) == ["expressroute", "vpn"]
    with pytest.raises(ConfigError, match="is not there"):
        plan_of(parse_document(text.encode(), file="eragent.yaml"), host_name="here", environment={})


def test_no_plan_shows_a_key(tmp_path: Path) -> None:
    assert PROBE_SECRET.decode() not in repr(loaded_beside_keys(tmp_path, WITH_ALL_OF_STAMP))


def test_a_list_without_extensions_is_not_the_automatic_choice() -> None:
    text = "targets: {{hub: {{address: 10.1.0.4}}}}\nprobes: [{{name: p, stamp: {}, targets: [hub]}}]\n"
    found = [plan_from(text.format(stamp)).probes[0].options for stamp in ("{tlvs: []}", "{}")]
    assert found == [StampOptions(tlvs=()), StampOptions(tlvs=None)]


def test_how_far_off_clocks_may_be_for_one_way_delays_is_the_operators_choice() -> None:
    text = "targets: {hub: {address: 10.1.0.4}}\nprobes: [{name: stamp, targets: [hub], stamp: %s}]\n"
    found = [plan_from(text % stamp).probes[0].options for stamp in ("{one_way_limit: 5ms}", "{}")]
    assert found == [StampOptions(one_way_limit_ns=5_000_000), StampOptions(one_way_limit_ns=LIMIT_NS)]


def test_a_credential_that_systemd_did_not_pass_is_a_problem_with_a_remedy() -> None:
    document = parse_document(b"reflector: {stamp: {key_credential: stamp-key}}\n", file="eragent.yaml")
    with pytest.raises(ConfigError) as caught:
        plan_of(document, host_name="here", environment={})
    assert str(caught.value) == (
        "eragent.yaml:1:37: reflector.stamp.key_credential: systemd passed no credentials ($CREDENTIALS_DIRECTORY is "
        "not set): add LoadCredential=stamp-key:FILE to the unit; outside of it, set CREDENTIALS_DIRECTORY to the "
        "folder of a file stamp-key"
    )


def test_keys_are_looked_at_even_where_other_things_are_wrong(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text("listen: nowhere\nreflector: {stamp: {key_file: none.key}}\n")
    with pytest.raises(ConfigError) as caught:
        load_plan(file)
    assert [problem.key for problem in caught.value.problems] == ["listen", "reflector.stamp.key_file"]


def test_a_host_name_that_is_no_label_asks_for_a_name() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_from("listen: 127.0.0.1:9469\n", host_name="caf\u00e9")
    assert str(caught.value) == (
        "eragent.yaml:1:1: agent.name: missing, and this host's name does not serve: "
        "'caf\u00e9' is not a name: write 1 to 63 letters, digits, '.', '_' or '-'"
    )


def test_a_file_that_is_not_there_is_one_problem_without_a_line(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    with pytest.raises(ConfigError) as caught:
        load_plan(file)
    assert str(caught.value) == f"{file}: cannot be read: No such file or directory; name the file with --config"


def test_a_folder_is_one_problem_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory; name the file with --config"


def _places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(inner for key, part in parts for inner in _places(part, (*place, key)))][not place :]


ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, -1, 1.5, 10**20, "", "vpn", "10.1.0.4", "fd00::1", "1s", [], {}, ["vpn"], [[1]], [{}], {"a": {}}]
).map(copy.deepcopy)  # drawn values are changed by later draws
ODD_KEYS = st.sampled_from(["foo", "icmp", "name", "history", "iperf3", "<one>", "<per path>", "[key]", "a b", "paths"])


@given(st.data())
def test_any_change_of_a_right_file_gives_a_plan_or_problems_with_lines(data: st.DataObject) -> None:
    changed = copy.deepcopy(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(_places(changed) or [("paths",)]))
        around: Any = changed
        for key in way:
            around = around[key]
        around[last] = data.draw(ODD_VALUES)
        if isinstance(around, dict):
            around[data.draw(ODD_KEYS)] = data.draw(ODD_VALUES)
    problems = problems_of(yaml.safe_dump(changed))
    assert all(problem.line and problem.column and problem.message for problem in problems)


def test_a_port_to_connect_to_reaches_the_probe_with_its_marks() -> None:
    plan = plan_from("targets: {hub: {address: 10.1.0.4}}\nprobes: [{name: a, tcp: {dscp: ef}, targets: [hub]}]\n")
    assert plan.probes[0].options == TcpOptions(port=443, marks=PacketMarks(dscp=46))


def test_a_web_server_reaches_the_probe_with_all_that_is_expected_of_it() -> None:
    plan = plan_from(
        "targets: {m365: {address: outlook.office365.com}}\n"
        "probes: [{name: a, targets: [m365], http: {url: 'https://outlook.office365.com/', method: HEAD,"
        " expect: 200, follow: 2, max_body: 10, verify: false, dscp: ef}}]\n"
    )
    assert plan.probes[0].options == HttpOptions(
        url=Url.parse("https://outlook.office365.com/"),
        method="HEAD",
        expected=((200, 200),),
        follow=2,
        max_body=10,
        verify=False,
        marks=PacketMarks(dscp=46),
    )
    plan = plan_from("targets: {a: {address: a}}\nprobes: [{name: a, targets: [a], http: {url: 'http://a'}}]\n")
    assert plan.probes[0].options == HttpOptions(url=Url.parse("http://a/"))


def test_authorities_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "targets: {a: {address: a}}\nprobes: [{name: a, targets: [a], http: {url: 'https://a', ca_file: ca.pem}}]\n"
    )
    options = load_plan(file).probes[0].options
    assert isinstance(options, HttpOptions)
    assert options.ca_file == tmp_path / "ca.pem"
