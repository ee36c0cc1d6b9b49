"""An agent that is killed in a test over a path twice as fast as its rate; runs as root within ``unshare --net``.

The argument is the directory of the state; what went over the path and what is booked is printed as JSON. With a second
argument it is the agent itself.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from agent.throughput.books import Books
from agent.throughput.ledger_file import LedgerFile
from agent.throughput.plan import ThroughputPlan
from agent.throughput.recorder import Recorder
from agent.throughput.runner import Pauses, Runner
from agent.throughput.service import installed_test
from agent.throughput.timetable import Timetable
from agent.throughput.turns import Turns
from collectors.iperf3.options import Iperf3Options
from collectors.path import NetworkPath, Target
from tests.agent.throughput.trials import Listener

RATE, SECONDS = 200_000_000, 4
EXPECTED = RATE // 8 * SECONDS


async def test_once(directory: Path) -> None:
    plan = ThroughputPlan(
        name="throughput",
        options=Iperf3Options(duration_s=SECONDS),
        flows=(1,),
        timetable=Timetable(every=timedelta(hours=1)),
        targets=(Target(name="hub", host="127.0.0.1"),),
        paths=(NetworkPath(name="lo", rate=RATE),),
        budget=100 * EXPECTED,
    )
    rng = Random(1)
    books, pauses = Books((plan,), LedgerFile(directory)), Pauses(idle_s=0, settle_s=0)
    runner = Runner(installed_test, Recorder(), Turns(rng), rng=rng, listener=Listener(), purse=books, pauses=pauses)
    [(target, path)] = plan.rounds()
    await runner.round(plan.trials(target, path))


def went_over_it() -> int:
    """Return octets of the loopback of this namespace; /sys would be that of the namespace that mounted it."""
    [line] = [each for each in Path("/proc/self/net/dev").read_text().splitlines() if each.strip().startswith("lo:")]
    return int(line.split()[9])


def kill_it(directory: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = subprocess.Popen(
        ["iperf3", "--server", "--forceflush"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    while "listening" not in server.stdout.readline():
        pass
    agent = subprocess.Popen([sys.executable, "-m", __spec__.name, str(directory), "agent"])
    while went_over_it() <= EXPECTED and agent.poll() is None:
        time.sleep(0.01)
    agent.kill()
    agent.wait()
    server.kill()
    booked = sum(each.octets for each in LedgerFile(directory).ledger.bookings)
    sys.stdout.write(json.dumps({"expected": EXPECTED, "went_over_it": went_over_it(), "booked": booked}))


if len(sys.argv) > 2:
    asyncio.run(test_once(Path(sys.argv[1])))
else:
    kill_it(Path(sys.argv[1]))
