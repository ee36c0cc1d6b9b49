"""prometheus-smokeping-prober: runs until it is ended, and serves nothing but a histogram of its round trips."""

from __future__ import annotations

import re

from benchmarks import dialects
from benchmarks.peers.tool import Asked, Histogram, Tool, UnreadableError

_LISTEN = "127.0.0.1:9399"
_NAME = "smokeping_response_duration_seconds"
_BUCKET = re.compile(rf'^{_NAME}_bucket{{.*le="([^"]+)"}} (\S+)$', re.MULTILINE)
_SUM = re.compile(rf"^{_NAME}_sum{{.*}} (\S+)$", re.MULTILINE)
# Its own default begins with 50 µs and doubles. Each bound 10 % above the one before, from 1 µs to 0.1 s, so that the
# histogram tells as much as it can.
_BUCKETS = ",".join(f"{1e-6 * 1.1**step:.4g}" for step in range(122))


def parse(page: str) -> Histogram:
    """Return the histogram of the only target on a page of metrics."""
    cumulative = [(float(bound) * 1e9, int(float(count))) for bound, count in _BUCKET.findall(page)]
    total = _SUM.search(page)
    if not cumulative or total is None:
        raise UnreadableError("no histogram of response durations on the prober's page")
    counts = [count - before for (_, count), (_, before) in zip(cumulative, [(0.0, 0), *cumulative], strict=False)]
    return Histogram(
        upper_ns=tuple(bound for bound, _ in cumulative), counts=tuple(counts), sum_ns=float(total[1]) * 1e9
    )


def _command(asked: Asked) -> list[str]:
    # Without an empty --config.file it also pings the localhost of its packaged configuration.
    options = ["-i", f"{asked.interval_s * 1000:g}ms", "--config.file=", f"--web.listen-address={_LISTEN}"]
    return [SMOKEPING.program, *options, f"--buckets={_BUCKETS}", asked.target]


SMOKEPING = Tool(
    name="smokeping_prober",
    program="prometheus-smokeping-prober",
    remedy="apt install prometheus-smokeping-prober, then stop the service that comes with it",
    version=("prometheus-smokeping-prober", "--version"),
    command=_command,
    parse=parse,
    dialect=dialects.ping,
    page=f"http://{_LISTEN}/metrics",
)
