"""A plan from a configuration file that a process of its own reads: who goes on running loads none of what reads it.

Parser, validation and models are a third of the service's memory, and needed for a moment. Beside it they also take
nothing from the loop that sends: a reload's work was done under Python's one lock.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from agent import __version__
from agent.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from agent.plan import Plan  # with half of the program, which who starts a reading loads while it goes on

_PROGRAM = (sys.executable, "-P", "-m", "agent.config.reader")  # -P: what lies in the working directory is not ours

Answer: TypeAlias = "Plan | tuple[Problem, ...]"
"""What a configuration says, or all that is wrong with it."""


class ReadingError(Exception):
    """Nobody could read the configuration, whatever is in it."""


class Reading:
    """A configuration that is read from now on; who asks may do something else before it wants the plan."""

    def __init__(self, path: Path, *, program: Sequence[str] = _PROGRAM) -> None:
        try:
            self._process = subprocess.Popen([*program, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        except OSError as error:
            raise ReadingError(f"cannot start what reads the configuration, {program[0]}: {error.strerror}") from error

    def plan(self) -> Plan:
        """Wait for the plan.

        Raise :class:`ConfigError` with all that is wrong with the file, and :class:`ReadingError` where no answer can
        be had.
        """
        with self._process:
            answer, _ = self._process.communicate()
        if self._process.returncode:
            raise ReadingError(
                f"the process that reads the configuration ended with code {self._process.returncode}: what it said "
                "stands above; without a word it was killed, perhaps for want of memory"
            )
        return _plan_in(answer)


def read_apart(path: Path) -> Plan:
    """Read the configuration file at ``path`` in a process of its own; raise as :meth:`Reading.plan` does."""
    return Reading(path).plan()


def encoded(answer: Answer) -> bytes:
    """Return what :class:`Reading` understands: this program's version, and then the answer."""
    return pickle.dumps(__version__) + pickle.dumps(answer)


def _plan_in(octets: bytes) -> Plan:
    stream = BytesIO(octets)
    version = pickle.load(stream)  # noqa: S301  # written by our own child, into a pipe that nobody else has
    if version != __version__:  # an upgrade: its plans may have other fields than ours
        raise ReadingError(f"eragent {version} is installed, and this is {__version__} still: restart the agent")
    answer: Answer = pickle.load(stream)  # noqa: S301  # as above
    if isinstance(answer, tuple):
        raise ConfigError(answer)
    return answer
