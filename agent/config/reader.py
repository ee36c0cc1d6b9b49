"""The process that reads a configuration for another one: ``python -m agent.config.reader FILE`` to :mod:`.apart`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from agent.config.apart import Answer, encoded
from agent.config.load import load_plan
from agent.config.problems import ConfigError


def _answer(path: Path) -> Answer:
    try:
        return load_plan(path)
    except ConfigError as error:
        return error.problems


if __name__ == "__main__":
    # A terminal's Ctrl-C reaches both processes: who asked says what there is to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.buffer.write(encoded(_answer(Path(sys.argv[1]))))
