"""A short run of what ``make fuzz`` does at length."""

import pytest

from tests.fuzz import fuzz
from tests.fuzz.mutation import packets
from tests.fuzz.readers import readers


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_octets_no_reader_breaks_its_rule(seed: int) -> None:
    assert fuzz(seed, 5_000) == 5_000


def test_the_packets_reach_beyond_the_first_check() -> None:
    answered = 0
    reading = readers()
    reflecting = [reader for reader in reading if "Reflecting" in type(reader).__name__]
    for data in packets(0, 500):
        for reader in reflecting:
            reader(data)
    for reader in reflecting:
        counts = reader._reflector.counts  # type: ignore[attr-defined]  # what it holds is the point here
        answered += counts.replies
        assert counts.replies > 40
    assert answered > 500
