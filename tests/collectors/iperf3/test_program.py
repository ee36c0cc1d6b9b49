"""iperf3 and its version are found once, or the reason says what to install."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from collectors.iperf3.command import OLDEST
from collectors.iperf3.failing import Iperf3Error, Iperf3Failure
from collectors.iperf3.program import find_program, started
from tests.collectors.iperf3.servers import fake, no_child_left, until


async def test_the_installed_one_is_found() -> None:
    program = await find_program()
    assert program.path.endswith("/iperf3")
    assert program.version >= OLDEST


async def test_where_there_is_none_it_says_what_to_install() -> None:
    with pytest.raises(Iperf3Error, match="apt install iperf3") as missing:
        await find_program("iperf3-that-is-not-there")
    assert missing.value.failure is Iperf3Failure.NOT_INSTALLED


async def test_a_program_of_that_name_that_is_none_is_not_taken_for_one(tmp_path: Path) -> None:
    async with no_child_left():
        with pytest.raises(Iperf3Error, match="tells no version of iperf3, but 'hello"):
            await find_program(fake(tmp_path, "print('hello')").path)


async def test_cancelled_while_nothing_can_be_started_it_is_cancelled_all_the_same() -> None:
    starting = asyncio.create_task(started(["/bin/true"], {"TOO_LONG": "x" * (1 << 18)}))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_cancelled_while_the_program_is_asked_it_leaves_no_process(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    program = fake(tmp_path, f"open({str(asked)!r}, 'w')\ntime.sleep(60)")
    async with no_child_left():
        finding = asyncio.create_task(find_program(program.path))
        await until(asked.exists)
        finding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finding


async def test_the_version_is_read_by_its_numbers(tmp_path: Path) -> None:
    program = await find_program(fake(tmp_path, "print('iperf 3.9 (cJSON 1.7.13)')").path)
    assert program.version == (3, 9)
