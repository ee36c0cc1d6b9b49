"""Throughput of paths, what it does to everyone else meanwhile, and what limits it: when, how much, and the verdict."""
