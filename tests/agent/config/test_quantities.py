"""Quantities are read exactly, written back the same, and refused with a right one shown."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.quantities import (
    DSCP_NAMES,
    format_dscp,
    format_duration,
    format_percentage,
    format_rate,
    format_size,
    parse_dscp,
    parse_duration,
    parse_percentage,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0ms", 0),
        ("10us", 10_000),
        ("10\u00b5s", 10_000),
        ("10\u03bcs", 10_000),
        ("100ms", 100_000_000),
        ("1.5s", 1_500_000_000),
        ("2 s", 2_000_000_000),
        ("3m", 180_000_000_000),
        ("1h", 3_600_000_000_000),
        ("35d", 35 * 86_400_000_000_000),
    ],
)
def test_durations_are_nanoseconds(text: str, duration_ns: int) -> None:
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize(
    ("text", "bits_per_second"),
    [("1Gbit", 10**9), ("650Mbit", 650 * 10**6), ("10kbit", 10_000), ("1.5Tbit", 15 * 10**11)],
)
def test_rates_are_decimal_bits_per_second(text: str, bits_per_second: int) -> None:
    assert parse_rate(text) == bits_per_second


@pytest.mark.parametrize(("text", "octets"), [("2GiB", 2 * 2**30), ("500MB", 500 * 10**6), ("1kB", 1000), ("0B", 0)])
def test_sizes_are_octets_binary_and_decimal(text: str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize(("text", "percent"), [("1", 1.0), ("0.5%", 0.5), ("100 %", 100.0), ("0", 0.0)])
def test_percentages_are_percent_with_the_sign_or_without(text: str, percent: float) -> None:
    assert parse_percentage(text) == percent


@pytest.mark.parametrize(
    ("text", "dscp"),
    [
        ("0", 0),
        (46, 46),
        ("ef", 46),
        ("EF", 46),
        ("va", 44),
        ("be", 0),
        ("cs6", 48),
        ("af11", 10),
        ("af43", 38),
        (63, 63),
    ],
)
def test_dscp_is_a_number_or_a_name(text: str | int, dscp: int) -> None:
    assert parse_dscp(text) == dscp


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "a duration needs a unit: write 100ms, not 100"),
        ("1.5", "a duration needs a unit: write 1.5ms, not 1.5"),
        ("-1s", "'-1s' is not a duration: write for example 100ms, 2s or 1h"),
        ("", "'' is not a duration: write for example 100ms, 2s or 1h"),
        ("1h30m", "'1h30m' is not a duration: write for example 100ms, 2s or 1h"),
        ("9" * 5000 + "s", f"'{'9' * 5000}s' is not a duration: write for example 100ms, 2s or 1h"),
        ("2 weeks", "unknown unit 'weeks': write for example 100ms, 2s or 1h (units: ns, us, ms, s, m, h, d)"),
        ("2 sec", "unknown unit 'sec': write 2s"),
        ("35days", "unknown unit 'days': write 35d"),
        ("2MS", "unknown unit 'MS': write 2ms"),
        ("0.5ns", "'0.5ns' is finer than 1ns: write for example 100ms, 2s or 1h"),
    ],
)
def test_a_wrong_duration_is_refused_with_a_right_one(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        parse_duration(text)
    assert str(caught.value) == message


def test_a_wrong_rate_is_refused_with_a_right_one() -> None:
    with pytest.raises(ValueError, match=r"^unknown unit 'gbit': write 1Gbit$"):
        parse_rate("1gbit")
    with pytest.raises(ValueError, match=r"^a rate needs a unit: write 650Mbit, not 650$"):
        parse_rate("650")
    with pytest.raises(ValueError, match=r"^unknown unit 'MB/s': write for example 1Gbit or 650Mbit \(units: "):
        parse_rate("100 MB/s")


@pytest.mark.parametrize("text", ["1Gbps", "1gbps", "1 Gbit/s", "1Gb/s", "1Gb"])
def test_a_rate_by_another_name_is_told_with_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r": write 1Gbit$"):
        parse_rate(text)


def test_a_wrong_size_is_refused_with_a_right_one() -> None:
    with pytest.raises(ValueError, match=r"^unknown unit 'Mbit': write for example 2GiB or 500MB"):
        parse_size("500Mbit")
    with pytest.raises(ValueError, match=r"^unknown unit 'G': write 2GB$"):
        parse_size("2G")


@pytest.mark.parametrize("text", ["101", "100.1%", "-1", "half", "1e1", ""])
def test_a_wrong_percentage_is_refused_with_a_right_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a percentage from 0 to 100: write for example 0.5%$"):
        parse_percentage(text)


@pytest.mark.parametrize("text", ["64", 64, -1, "af44", "cs8", "", "\u0661"])
def test_a_wrong_dscp_is_refused_with_the_right_ones(text: str | int) -> None:
    with pytest.raises(
        ValueError, match=r"is not a DSCP: write 0 to 63, or a name: be, cs0 to cs7, af11 to af43, ef, va$"
    ):
        parse_dscp(text)


def test_the_largest_unit_without_remainder_is_written() -> None:
    assert [format_duration(ns) for ns in (0, 1, 1500, 90_000_000_000, 3_600_000_000_000)] == [
        "0ms",
        "1ns",
        "1500ns",
        "90s",
        "1h",
    ]
    assert format_rate(650_000_000) == "650Mbit"
    assert format_size(2**31) == "2GiB"
    assert format_dscp(46) == "ef"
    assert format_dscp(45) == "45"


def test_a_negative_amount_is_never_written() -> None:
    with pytest.raises(ValueError, match="never negative"):
        format_duration(-1)


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_what_is_written_is_read_as_the_same_number(amount: int) -> None:
    assert parse_duration(format_duration(amount)) == amount
    assert parse_rate(format_rate(amount)) == amount
    assert parse_size(format_size(amount)) == amount


@given(st.floats(min_value=0, max_value=100))
def test_a_percentage_that_is_written_is_read_as_the_same_number(percent: float) -> None:
    assert parse_percentage(format_percentage(percent)) == percent


@given(st.integers(min_value=0, max_value=63))
def test_a_dscp_that_is_written_is_read_as_the_same_number(dscp: int) -> None:
    assert parse_dscp(format_dscp(dscp)) == dscp


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_rate, parse_size, parse_percentage, parse_dscp):
        try:
            amount = parse(text)
        except ValueError:
            continue
        assert amount >= 0


def test_every_dscp_has_six_bits() -> None:
    assert all(0 <= dscp < 64 for dscp in DSCP_NAMES.values())


def test_the_command_line_reads_quantities_without_the_libraries_of_the_configuration() -> None:
    script = "import sys, agent.config.quantities; print(*(m for m in ('pydantic', 'yaml') if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
