"""``python -m tests.fuzz``: feed mutated packets to all that reads a network; stop at the first that breaks a rule."""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from tests.fuzz import fuzz

_SHARE = 100_000


def main() -> None:
    """Share the work among all cores."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--datagrams", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    shares = max(1, arguments.datagrams // _SHARE)
    seeds = range(arguments.seed, arguments.seed + shares)
    print(f"{shares * _SHARE} datagrams, seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    began_s = time.monotonic()
    total = 0
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for read in workers.map(fuzz, seeds, repeat(_SHARE)):
            total += read
            print(f"{total} read in {time.monotonic() - began_s:.0f} s, no rule broken", flush=True)


if __name__ == "__main__":
    main()
