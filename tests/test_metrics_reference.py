"""The reference of metrics says what the program has, no less and no more."""

from __future__ import annotations

from itertools import product

from prometheus_client import CollectorRegistry

from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.sample import Outcome, Sample, TimestampSource
from docs.families import families
from docs.metrics import FILE, reference


def test_the_reference_is_what_the_program_has() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: python -m docs.metrics"


def test_the_page_says_how_many_series_an_agent_with_ten_targets_over_three_paths_has() -> None:
    registry, figures = CollectorRegistry(), Figures()
    answered = Sample(
        slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.ANSWERED, rtt_ns=1, ttl=57, timestamps=TimestampSource.KERNEL
    )
    for target, path in product(range(10), range(3)):
        take = figures.opened(StreamKey(probe="ping", kind="icmp", target=f"target-{target}", path=f"path-{path}"))
        take([answered])
    Metrics(registry, Plan(agent="agent", listen=SocketAddress(host="127.0.0.1", port=0)), figures)
    samples = [sample for family in registry.collect() for sample in family.samples]
    of_streams = sum("path" in sample.labels for sample in samples)
    assert f"{of_streams} series with a probe of ICMP" in FILE.read_text(encoding="utf-8")


def test_every_metric_is_explained_in_a_sentence() -> None:
    for family in families():
        assert len(family.documentation.split()) > 2, family.name
        assert family.documentation.endswith("."), family.name
