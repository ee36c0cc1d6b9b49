"""Runs an agent's writer on a disk of its own that is full, then read-only; needs a private mount namespace.

``python -m tests.agent.history.on_a_small_disk DIRECTORY`` prints what was seen as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from agent.history.reading import read_columns
from tests.agent.history.agents import Agent

MOST_TURNS = 2000


def main(directory: Path) -> None:
    """Fill a disk of 400 KiB, give it room, make it read-only and writable again."""
    mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", str(directory))
    agent = Agent(directory, most_held=1_000_000)
    sent = [row.sent_at_ns for row in agent.second()]
    while agent.counts.trouble is None and len(sent) < 10 * MOST_TURNS:
        sent += [row.sent_at_ns for row in agent.second()]
    full = reason(agent)
    sent += [row.sent_at_ns for _ in range(5) for row in agent.second()]
    mount("-o", "remount,size=8m", str(directory))
    sent += [row.sent_at_ns for row in agent.second()]
    after_room = reason(agent)
    agent.writer.finish()

    agent = Agent(directory, at_ns=agent.now_ns, most_held=1_000_000)
    mount("-o", "remount,ro", str(directory))
    sent += [row.sent_at_ns for _ in range(3) for row in agent.second()]
    read_only = reason(agent)
    read_while_read_only = len(read(directory)) == len(sent) - 30
    mount("-o", "remount,rw", str(directory))
    sent += [row.sent_at_ns for row in agent.second()]
    seen = {
        "full": full,
        "after_room": after_room,
        "read_only": read_only,
        "read_while_read_only": read_while_read_only,
        "after_remount": reason(agent),
        "missing": len(set(sent) - set(read(directory))),
        "files_set_aside": agent.counts.set_aside,
    }
    agent.writer.finish()
    sys.stdout.write(json.dumps(seen))


def mount(*arguments: str) -> None:
    """Run mount(8), in this program's namespace."""
    subprocess.run(["mount", *arguments], check=True)


def reason(agent: Agent) -> str | None:
    """Return what keeps the agent from writing at present."""
    return None if agent.counts.trouble is None else str(agent.counts.trouble.reason)


def read(directory: Path) -> list[int]:
    """Return when each sample was sent."""
    return [int(sent) for sent in read_columns(directory, probe="stamp", target="hub", path="vpn").sent_at_ns]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
