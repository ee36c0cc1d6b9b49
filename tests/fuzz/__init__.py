"""Mutated packets against everything that reads what came from a network."""

from __future__ import annotations

from tests.fuzz.mutation import packets
from tests.fuzz.readers import readers


def fuzz(seed: int, number: int) -> int:
    """Feed so many packets to all readers, and return how many were read; raise what escapes, with how to repeat it."""
    reading = readers()
    read = 0
    for data in packets(seed, number):
        for reader in reading:
            try:
                reader(data)
            except BaseException as escaped:
                escaped.add_note(f"seed {seed}, packet {read}, {reader}: {data.hex()}")
                raise
        read += 1
    return read
