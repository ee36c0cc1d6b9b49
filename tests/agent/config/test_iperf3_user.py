"""Who a test of throughput is: user, password and public key go together, and each file is looked at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.config.problems import ConfigError
from agent.plan import Plan
from collectors.iperf3.options import Authentication

PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("sesame\n")
    (tmp_path / "password").chmod(0o640)
    (tmp_path / "server.pem").write_text(PUBLIC)
    return tmp_path


def plan_from(keys: str, folder: Path, *, with_keys: bool = True, **environment: str) -> Plan:
    text = (
        "targets: {hub: {address: 10.1.0.4}}\n"
        f"probes:\n  - {{name: t, every: 1h, targets: [hub], iperf3: {{{keys}}}}}\n"
    )
    document = parse_document(text.encode(), file=str(folder / "eragent.yaml"))
    return plan_of(document, host_name="host", environment=environment, with_keys=with_keys).plan


def messages_of(keys: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan_from(keys, folder)
    return [str(problem).partition("probes.0.iperf3")[2] for problem in caught.value.problems]


def test_files_are_looked_for_beside_the_configuration(folder: Path) -> None:
    keys = "user: site, password_file: password, public_key_file: server.pem, pkcs1_padding: true"
    assert plan_from(keys, folder).throughput[0].options.authentication == Authentication(
        user="site", password_file=folder / "password", public_key_file=folder / "server.pem", pkcs1_padding=True
    )


def test_a_password_can_be_a_credential_of_systemd(folder: Path) -> None:
    keys = "user: site, password_credential: password, public_key_file: server.pem"
    plan = plan_from(keys, folder, CREDENTIALS_DIRECTORY=str(folder))
    authentication = plan.throughput[0].options.authentication
    assert authentication is not None
    assert authentication.password_file == folder / "password"


def test_without_these_keys_nobody_is_named(folder: Path) -> None:
    assert plan_from("", folder).throughput[0].options.authentication is None


def test_who_looks_up_paths_alone_needs_neither_files_nor_credentials(folder: Path) -> None:
    keys = "user: site, password_credential: password, public_key_file: none.pem"
    assert plan_from(keys, folder, with_keys=False).throughput[0].options.authentication is None


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ("user: site", "add password_file and public_key_file"),
        ("user: site, password_file: password", "add public_key_file"),
        ("password_file: password, public_key_file: server.pem", "add user"),
        ("pkcs1_padding: true", "add user and password_file and public_key_file"),
    ],
)
def test_what_is_missing_beside_the_others_is_named(folder: Path, keys: str, missing: str) -> None:
    [message] = messages_of(keys, folder)
    assert message == f": iperf3's authentication needs a user, a password and a public key: {missing}"


def test_two_passwords_are_one_too_many(folder: Path) -> None:
    keys = "user: site, password_file: password, password_credential: password, public_key_file: server.pem"
    [message] = messages_of(keys, folder)
    assert message == ".password_credential: password_file names the password already: remove one of them"


def test_a_password_in_the_configuration_is_refused_with_where_it_belongs(folder: Path) -> None:
    [message] = messages_of("password: sesame", folder)
    assert message == (
        ".password: no password stands in this file: put it into one of its own, and name that with password_file"
    )


def test_files_that_do_not_serve_are_named_each_at_its_key(folder: Path) -> None:
    (folder / "password").chmod(0o644)
    (folder / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    password, key = messages_of("user: site, password_file: password, public_key_file: private.pem", folder)
    assert password == (
        f".password_file: {folder}/password is open to every user of this host: chmod 0640 {folder}/password"
    )
    assert key == (
        f".public_key_file: {folder}/private.pem holds no public key in PEM format: `openssl rsa -in PRIVATE -pubout` "
        "makes it of the server's private one"
    )


def test_a_credential_that_systemd_did_not_pass_is_told(folder: Path) -> None:
    [message] = messages_of("user: site, password_credential: iperf3, public_key_file: server.pem", folder)
    assert message.startswith(".password_credential: systemd passed no credentials")
