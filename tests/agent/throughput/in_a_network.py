"""Two tests by the real iperf3 within a budget that allows one; runs as root within ``unshare --net``.

The argument is the directory of the state; what became of the tests is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
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

ONE_TEST = 50_000_000 // 8


async def main(directory: Path) -> None:
    plan = ThroughputPlan(
        name="throughput",
        options=Iperf3Options(duration_s=1, bits_per_second=8 * ONE_TEST),
        flows=(1, 2),
        timetable=Timetable(every=timedelta(hours=1)),
        targets=(Target(name="hub", host="127.0.0.1"),),
        paths=(NetworkPath(name="lo"),),
        budget=round(1.3 * ONE_TEST),  # a busy host may send less than it was told to
    )
    books = Books((plan,), LedgerFile(directory))
    rng = Random(1)
    pauses = Pauses(idle_s=0, settle_s=0)
    runner = Runner(installed_test, Recorder(), Turns(rng), rng=rng, listener=Listener(), purse=books, pauses=pauses)
    [(target, path)] = plan.rounds()
    found = await runner.round(plan.trials(target, path))
    generous = replace(plan, budget=10 * ONE_TEST)
    left = Books((generous,), LedgerFile(directory)).allowance(generous, path).left
    outcomes = [(each.tried.outcome, each.tried.reason, each.tried.moved_octets) for each in found]
    sys.stdout.write(json.dumps({"outcomes": outcomes, "left_after_a_restart": left}))


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with subprocess.Popen(["iperf3", "--server", "--forceflush"], stdout=subprocess.PIPE, text=True) as server:
    assert server.stdout is not None
    while "listening" not in server.stdout.readline():
        pass
    asyncio.run(main(Path(sys.argv[1])))
    server.kill()
