"""`python -m agent.lab [SCENARIO]`: holds a lab for programs and people that want to work in it.

One JSON line on standard output when it is ready, one with the links' counts and errors when it ends: at the end of
standard input, at SIGTERM or at Ctrl-C. Exit code 3 when the lab cannot be had.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from agent.lab.lab import Lab, LabError
from agent.lab.scenario import DEFAULT_SCENARIO, ScenarioError, read_scenario


def main() -> int:
    """Hold a lab until told to end; return the exit code."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SCENARIO
    try:
        with Lab(read_scenario(path)) as lab:
            _say({"ready": True, **asdict(lab.description)})
            _wait_for_the_end(lab, _signals())
            _say({"links": lab.report()})
    except (LabError, ScenarioError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


def _signals() -> int:
    """Return a descriptor that becomes readable with SIGTERM or SIGINT."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def _wait_for_the_end(lab: Lab, signals: int) -> None:
    while True:
        readable = select.select([0, signals, lab.fileno()], (), ())[0]
        if lab.fileno() in readable:
            lab.events()  # no events are played here: the lab has ended by itself, and this raises
        if signals in readable or (0 in readable and not os.read(0, 65536)):
            return


def _say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
