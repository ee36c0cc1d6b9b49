"""The section of iperf3's server becomes its plan; nothing is served without one."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.config.problems import ConfigError
from agent.plan import Iperf3ServerPlan, Plan, SocketAddress


def plan_from(text: str, folder: Path, *, with_keys: bool = True, **environment: str) -> Plan:
    document = parse_document(f"reflector:\n  stamp: {{}}\n  {text}\n".encode(), file=str(folder / "eragent.yaml"))
    return plan_of(document, host_name="host", environment=environment, with_keys=with_keys).plan


def message_of(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        plan_from(text, folder)
    (problem,) = caught.value.problems
    return str(problem).removeprefix(f"{folder}/eragent.yaml:")


def test_nothing_is_served_that_is_not_asked_for(tmp_path: Path) -> None:
    assert plan_from("twamp: {}", tmp_path).iperf3_server is None


def test_defaults_are_the_usual_port_and_loopback_alone(tmp_path: Path) -> None:
    assert plan_from("iperf3: {}", tmp_path).iperf3_server == Iperf3ServerPlan(
        listen=SocketAddress(host="::", port=5201), allow=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )


def test_files_are_looked_for_beside_the_configuration_and_credentials_where_systemd_put_them(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "users").touch()
    text = "iperf3: {listen: 10.1.0.4:5202, allow: [10.0.0.0/8], key_file: key.pem, users_credential: users}"
    plan = plan_from(text, tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert plan.iperf3_server == Iperf3ServerPlan(
        listen=SocketAddress(host="10.1.0.4", port=5202),
        allow=(ip_network("10.0.0.0/8"),),
        private_key_file=tmp_path / "key.pem",
        users_file=tmp_path / "users",
    )


def test_who_looks_up_paths_alone_needs_no_files(tmp_path: Path) -> None:
    text = "iperf3: {key_file: key.pem, users_credential: users}"
    assert plan_from(text, tmp_path, with_keys=False).iperf3_server is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    assert message_of("iperf3: {key_file: none.pem, users_file: users}", tmp_path) == (
        f"3:22: reflector.iperf3.key_file: {tmp_path}/none.pem is not there, or cannot be read: "
        "iperf3 is to read it as this user"
    )


def test_a_directory_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    (tmp_path / "keys").mkdir(mode=0o700)
    assert message_of("iperf3: {key_file: keys, users_file: users}", tmp_path) == (
        f"3:22: reflector.iperf3.key_file: {tmp_path}/keys is no file: name the one that holds the private key (PEM)"
    )
    (tmp_path / "key.pem").touch(mode=0o600)
    assert message_of("iperf3: {key_file: key.pem, users_file: keys}", tmp_path) == (
        f"3:43: reflector.iperf3.users_file: {tmp_path}/keys is no file: name the one that holds the users"
    )


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    for name in ("key.pem", "users"):
        (tmp_path / name).touch(mode=0o600)
    (tmp_path / "key.pem").chmod(0o644)
    assert message_of("iperf3: {key_file: key.pem, users_file: users}", tmp_path) == (
        f"3:22: reflector.iperf3.key_file: {tmp_path}/key.pem is open to every user of this host: "
        f"chmod 0640 {tmp_path}/key.pem"
    )


def test_users_without_a_key_are_told(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    assert message_of("iperf3: {users_file: users}", tmp_path) == (
        "3:3: reflector.iperf3: iperf3's authentication needs a key and users: add key_file"
    )


def test_credentials_that_systemd_did_not_pass_are_told(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    message = message_of("iperf3: {key_credential: iperf3-key, users_file: users}", tmp_path)
    assert message.startswith("3:28: reflector.iperf3.key_credential: systemd passed no credentials")
