"""Paths against each other: statistics of pairs of packets that were sent in the same slot. No I/O."""
