from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.columns import OUTCOMES, UNKNOWN
from agent.history.block import BlockError, decode, encode, take_apart
from agent.history.decoding import columns_of, reasons_of
from agent.history.rows import Row
from collectors.sample import Outcome
from tests.agent.history.generated import BEGIN_NS, INTERVAL_NS, ROW, on_a_path, rows_of

ROWS = st.lists(ROW, min_size=1, max_size=40)
INTERVAL = st.sampled_from([1_000_000, INTERVAL_NS, 3_600_000_000_000])


@given(ROWS, INTERVAL)
def test_a_block_gives_back_what_went_into_it(rows: list[Row], interval_ns: int) -> None:
    assert list(decode(encode(rows_of(rows), interval_ns=interval_ns))) == rows


@settings(max_examples=50)
@given(st.lists(st.tuples(ROWS, INTERVAL), min_size=1, max_size=5))
def test_arrays_are_read_as_the_samples_are(blocks: list[tuple[list[Row], int]]) -> None:
    parts = [take_apart(encode(rows_of(rows), interval_ns=interval_ns)) for rows, interval_ns in blocks]
    columns = columns_of(parts)
    expected = [row for rows, _ in blocks for row in rows]
    assert columns.slot.tolist() == [row.slot for row in expected]
    assert columns.sent_at_ns.tolist() == [row.sent_at_ns for row in expected]
    for name in ("rtt_ns", "forward_ns", "backward_ns"):
        times = [UNKNOWN if getattr(row, name) is None else getattr(row, name) for row in expected]
        assert getattr(columns, name).tolist() == times
    assert [OUTCOMES[number] for number in columns.outcome] == [row.outcome for row in expected]
    assert columns.noisy.tolist() == [row.noisy for row in expected]
    assert reasons_of(parts) == [row.reason for row in expected]


def test_no_blocks_are_no_samples() -> None:
    assert len(columns_of([])) == 0


def test_a_minute_of_a_path_takes_eight_octets_a_sample() -> None:
    rows = rows_of(list(on_a_path(600)))
    assert len(encode(rows, interval_ns=INTERVAL_NS)) <= 8 * 600


def test_a_minute_without_any_network_takes_next_to_nothing() -> None:
    refused = [
        Row(slot=slot, sent_at_ns=BEGIN_NS + slot * INTERVAL_NS, outcome=Outcome.NOT_SENT, reason="unreachable")
        for slot in range(600)
    ]
    assert len(encode(rows_of(refused), interval_ns=INTERVAL_NS)) < 200


def test_samples_are_sorted_by_their_slots() -> None:
    rows = list(on_a_path(50))
    shuffled = rows_of(random.Random(1).sample(rows, len(rows)))
    shuffled.sort()
    assert list(shuffled) == rows


@given(st.binary(max_size=200))
def test_octets_that_are_no_block_are_refused(octets: bytes) -> None:
    with pytest.raises(BlockError):
        decode(octets)


def test_each_wrong_octet_is_noticed() -> None:
    block = encode(rows_of(list(on_a_path(20))), interval_ns=INTERVAL_NS)
    for place in range(len(block)):
        wrong = block[:place] + bytes([block[place] ^ 0x40]) + block[place + 1 :]
        with pytest.raises(BlockError):
            take_apart(wrong)


def test_more_reasons_than_a_number_has_values_are_told_by_the_last() -> None:
    rows = [Row(slot=slot, sent_at_ns=slot, outcome=Outcome.FAILED, reason=f"reason {slot}") for slot in range(300)]
    found = [row.reason for row in decode(encode(rows_of(rows), interval_ns=1))]
    assert found[:255] == [row.reason for row in rows[:255]]
    assert set(found[255:]) == {"reason 254"}


def test_the_arrays_are_of_the_kinds_that_columns_promise() -> None:
    columns = columns_of([take_apart(encode(rows_of(list(on_a_path(10))), interval_ns=INTERVAL_NS))])
    assert columns.slot.dtype == columns.rtt_ns.dtype == np.int64
    assert columns.outcome.dtype == np.uint8
    assert columns.noisy.dtype == np.bool_
