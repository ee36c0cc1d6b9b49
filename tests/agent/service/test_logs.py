"""What the log writes where, over a socket that the test listens on in the journal's place."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.service.logs import Allowance, JournalHandler, entry, fields, is_journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[socket.socket, Path]]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "journal"))
        sock.settimeout(5)
        yield sock, tmp_path / "journal"


@pytest.fixture
def log(journal: tuple[socket.socket, Path]) -> Iterator[logging.Logger]:
    logger = logging.Logger("test")
    handler = JournalHandler(journal[1])
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_an_entry_has_a_priority_and_our_own_fields(journal: tuple[socket.socket, Path], log: logging.Logger) -> None:
    log.warning("no answer on %s", "vpn", extra=fields(target="hub", path="vpn", reason="unanswered", probe=None))
    told = dict(line.split("=", 1) for line in journal[0].recv(65_536).decode().splitlines())
    assert told["MESSAGE"] == "no answer on vpn"
    assert (told["PRIORITY"], told["SYSLOG_IDENTIFIER"]) == ("4", "eragent")
    assert (told["ERAGENT_TARGET"], told["ERAGENT_PATH"], told["ERAGENT_REASON"]) == ("hub", "vpn", "unanswered")
    assert told["CODE_FILE"] == __file__
    assert "ERAGENT_PROBE" not in told


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")]
)
def test_levels_are_the_journals_priorities(
    journal: tuple[socket.socket, Path], log: logging.Logger, level: str, priority: str
) -> None:
    getattr(log, level)("so")
    assert f"PRIORITY={priority}\n".encode() in journal[0].recv(65_536)


def test_a_value_of_several_lines_forges_no_field() -> None:
    value = "wrong\nPRIORITY=0"
    assert entry({"MESSAGE": value}) == b"MESSAGE\n" + struct.pack("<Q", len(value)) + value.encode() + b"\n"


def test_the_longest_message_fits_into_a_datagram(journal: tuple[socket.socket, Path], log: logging.Logger) -> None:
    log.error("x" * 1_000_000)
    assert len(journal[0].recv(300_000)) < 100_000


def test_without_a_journal_the_line_goes_to_stderr(
    tmp_path: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "journal").unlink()
    log.error("the disk is full")
    assert capsys.readouterr().err == "<3>the disk is full\n"


def test_stderr_is_the_journals_where_systemd_says_so(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("wb") as stream:
        status = os.fstat(stream.fileno())
        assert is_journal(stream.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not is_journal(stream.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not is_journal(stream.fileno(), {})


def test_a_flood_is_cut_and_counted() -> None:
    now_s = [0.0]
    allowance = Allowance(burst=3, every_s=10, monotonic_s=lambda: now_s[0])
    passed = [record for record in (_record(f"line {number}") for number in range(10)) if allowance.filter(record)]
    assert [record.getMessage() for record in passed] == ["line 0", "line 1", "line 2"]
    now_s[0] = 10.0
    later = _record("later %s")
    assert allowance.filter(later)
    assert later.getMessage() == "later x (7 lines before this were left out: too many at once)"
    assert allowance.filter(after := _record("after"))
    assert after.getMessage() == "after"


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, text, ("x",) if "%s" in text else None, None)
