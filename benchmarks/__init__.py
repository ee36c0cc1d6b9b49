"""Measures what eragent promises in numbers: ``python -m benchmarks``. No tests: numbers depend on the machine."""
