"""Compares eragent with other tools side by side, with captures as the truth: ``python -m benchmarks.peers``."""
