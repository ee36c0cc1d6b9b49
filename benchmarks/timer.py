"""How many slots this host makes a program miss that does nothing but wait for them.

``python -m benchmarks.timer SECONDS INTERVAL_MS`` prints the number.
"""

from __future__ import annotations

import sys
import time


def missed_slots(seconds: float, interval_s: float) -> int:
    """Sleep until each slot of a schedule; return how many had gone by unused when this program ran again."""
    began, used, slots = time.monotonic(), 0, round(seconds / interval_s)
    slot = 0
    while slot < slots:
        time.sleep(max(began + slot * interval_s - time.monotonic(), 0))
        used += 1
        slot = max(int((time.monotonic() - began) / interval_s), slot) + 1
    return slots - used


if __name__ == "__main__":
    print(missed_slots(float(sys.argv[1]), float(sys.argv[2]) / 1000))
