"""Users and passwords are such as iperf3 can tell its server; what is wrong is said without showing a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.keys import KeyFileError
from agent.throughput.user import check_password, check_public_key, parse_user


def password_file(folder: Path, content: bytes) -> Path:
    file = folder / "password"
    file.write_bytes(content)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("name", ["", "two words", "a,b", "line\n"])
def test_a_user_that_iperf3_cannot_tell_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="without spaces and commas"):
        parse_user(name)


@pytest.mark.parametrize("content", [b"sesame\n", "öffne-dich".encode()])
def test_a_password_is_one_line_of_text(tmp_path: Path, content: bytes) -> None:
    check_password(password_file(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"dos\r\n", b"\xff\xfe", b"a\0b", b"open sesame\n"])
def test_what_iperf3_cannot_tell_is_no_password(tmp_path: Path, content: bytes) -> None:
    file = password_file(tmp_path, content)
    with pytest.raises(KeyFileError) as caught:
        check_password(file)
    assert str(caught.value) == (
        f"{file} holds no password that iperf3 can tell: write it there as one line, without spaces and without "
        "anything else"
    )
    assert caught.value.__cause__ is None


def test_a_password_file_that_is_not_there_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="put the password into it"):
        check_password(tmp_path / "none")


def test_a_public_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="is not there: correct the name"):
        check_public_key(tmp_path / "none.pem")
