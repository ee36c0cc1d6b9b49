"""Keys come from files and from systemd's credentials; what is wrong with one is said without showing it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.keys import KeyFileError, credential_path, parse_credential_name, read_key
from collectors.stamp.authentication import Key

SECRET = b"0123456789abcdef"


def key_file(folder: Path, content: bytes, mode: int = 0o640) -> Path:
    file = folder / "stamp.key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(KeyFileError) as caught:
        read_key(file)
    return str(caught.value)


def test_a_key_is_the_text_of_its_file_without_the_line_end(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, SECRET + b"\n")) == Key(SECRET)


def test_a_key_can_be_written_in_hexadecimal_digits(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, b"hex:" + SECRET.hex().encode() + b"\n")) == Key(SECRET)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none.key"
    assert refusal(file) == f"{file} is not there: correct the name, or put the key into it"


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is no regular file: name the file that holds the key"


def test_a_pipe_that_nobody_writes_into_stops_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refusal(pipe) == f"{pipe} is no regular file: name the file that holds the key"


@pytest.mark.parametrize("mode", [0o644, 0o642])
def test_a_file_that_everyone_can_read_or_write_holds_no_secret(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path, SECRET, mode)
    assert refusal(file) == f"{file} is open to every user of this host: chmod 0640 {file}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "a key has at least 16 octets, not 0"),
        (b"\n", "a key has at least 16 octets, not 0"),
        (b"much too short", "a key has at least 16 octets, not 14"),
        (b"hex:0123456789abcdef", "a key has at least 16 octets, not 8"),
        (b"hex:0123456789abcdefghijklmnopqrstuv", "what follows hex: are not pairs of hexadecimal digits"),
    ],
)
def test_what_is_no_key_is_refused_with_a_remedy_and_never_shown(tmp_path: Path, content: bytes, why: str) -> None:
    file = key_file(tmp_path, content)
    assert refusal(file) == (f"{file} holds no key: {why}; `openssl rand -hex 32` makes one of more than 16 octets")
    assert not content.strip() or content.decode() not in refusal(file)


def test_the_reason_of_a_refusal_does_not_carry_the_key_either(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as caught:
        read_key(key_file(tmp_path, b"hex:not a key at all"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_that_cannot_hold_a_key_alone_is_not_read(tmp_path: Path) -> None:
    assert len(SECRET * 256) == 4096
    assert read_key(key_file(tmp_path, SECRET * 256)) == Key(SECRET * 256)
    file = key_file(tmp_path, SECRET * 256 + b"x")
    assert refusal(file) == f"{file} has more than 4096 octets: name the file that holds the key alone"


@contextmanager
def effective_user(number: int) -> Iterator[None]:
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.root
@pytest.mark.parametrize(("number", "name"), [(65534, "nobody"), (54321, "54321")])
def test_a_file_that_may_not_be_read_names_the_user(tmp_path: Path, number: int, name: str) -> None:
    file = key_file(tmp_path, SECRET)
    with effective_user(number):
        said = refusal(file)
    assert said == (
        f"{file} cannot be read by user {name}: give it a group of that user and chmod 0640, "
        "or have systemd pass it (key_credential)"
    )


def test_a_credential_is_a_file_in_the_folder_that_systemd_names() -> None:
    environment = {"CREDENTIALS_DIRECTORY": "/run/credentials/eragent.service"}
    assert credential_path("stamp-key", environment) == Path("/run/credentials/eragent.service/stamp-key")


def test_without_systemd_there_is_no_credential_and_a_remedy() -> None:
    with pytest.raises(KeyFileError) as caught:
        credential_path("stamp-key", {})
    assert str(caught.value) == (
        "systemd passed no credentials ($CREDENTIALS_DIRECTORY is not set): add LoadCredential=stamp-key:FILE to the "
        "unit; outside of it, set CREDENTIALS_DIRECTORY to the folder of a file stamp-key"
    )


@pytest.mark.parametrize("name", ["stamp-key", "a", "site.primary_2"])
def test_the_name_of_a_credential_is_that_of_a_file(name: str) -> None:
    assert parse_credential_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/key", "a:b", "caf\u00e9", "a\nb", "x" * 256])
def test_no_credential_has_a_name_that_leads_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a credential"):
        parse_credential_name(name)
