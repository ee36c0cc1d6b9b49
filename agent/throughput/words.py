"""The numbers behind a verdict in words, for people: the same ones stand in the JSON as numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.throughput.gateways import NamedRate
from agent.throughput.observed import Observed
from agent.throughput.rfc6349 import Figures
from collectors.iperf3.options import Protocol


def evidence(seen: Observed, figures: Figures) -> tuple[str, ...]:
    """Say every number that a verdict looked at, one sentence each; those that are not known are left out."""
    measured = [*_of_rates(seen, figures), *_of_flows(seen, figures), *_of_ends(seen)]
    return tuple(line for line in measured if line is not None)


def _of_rates(seen: Observed, figures: Figures) -> Iterator[str | None]:
    yield f"{mbit(seen.bits_per_second)} of payload in {flows(seen.streams)}"
    for rate in seen.rates:
        yield f"known: {rate_in_words(rate)}"
    if seen.idle_rtt_ns is not None:
        yield f"round trip {growth(seen)}"
    if figures.bandwidth_delay_product_bytes is not None:
        rate_used = "the smallest known rate" if seen.rates else "the measured rate"
        product = size(figures.bandwidth_delay_product_bytes)
        yield f"bandwidth-delay product {product} (of {rate_used} and the idle round trip)"
    if figures.transfer_time_ratio is not None:
        yield f"transfer time ratio {figures.transfer_time_ratio:.2f} (RFC 6349, section 4.1)"
    if figures.tcp_efficiency is not None:
        yield f"TCP efficiency {figures.tcp_efficiency:.1%} (RFC 6349, section 4.2)"
    if figures.buffer_delay is not None and seen.protocol is Protocol.TCP:
        yield f"buffer delay {figures.buffer_delay:.0%} of the idle round trip (RFC 6349, section 4.3)"


def _of_flows(seen: Observed, figures: Figures) -> Iterator[str]:
    if figures.window_bytes is not None and figures.flow_ceiling_bits_per_second is not None:
        ceiling = mbit(figures.flow_ceiling_bits_per_second)
        yield f"window {size(figures.window_bytes)}, which holds one flow to about {ceiling}"
    if figures.under_way_bytes is not None and seen.protocol is Protocol.TCP:
        yield f"{size(figures.under_way_bytes)} of each flow under way on the mean"
    if seen.congestion_control is not None:
        yield f"congestion control {seen.congestion_control}"
    if figures.loss_share is not None:
        yield f"{percent(figures.loss_share)} {'lost' if seen.protocol is Protocol.UDP else 'sent again'}"
    if figures.loss_bound_bits_per_second is not None:
        yield f"at that loss one flow reaches about {mbit(figures.loss_bound_bits_per_second)}"


def _of_ends(seen: Observed) -> Iterator[str]:
    if seen.sender_cpu is not None and seen.receiver_cpu is not None:
        yield f"processor: sender {seen.sender_cpu:.0%}, receiver {seen.receiver_cpu:.0%} of a core"
    if seen.host_busy is not None:
        yield f"this host's processors were busy for {seen.host_busy:.0%} of the time"
    if seen.steadiness is not None:
        yield f"the rate deviated by {seen.steadiness:.1%} of its mean"


def growth(seen: Observed) -> str:
    """Say the round trip without and under load."""
    idle, loaded = seen.idle_rtt_ns, seen.loaded_rtt_ns
    idle_said = "unknown" if idle is None else ms(idle)
    return f"{idle_said} idle, {'unknown' if loaded is None else ms(loaded)} under load"


def rate_in_words(rate: NamedRate) -> str:
    """Say a known rate."""
    return f"{rate.name} with {mbit(rate.bits_per_second)}"


def flows(count: int) -> str:
    """Say a number of flows."""
    return "1 flow" if count == 1 else f"{count} flows"


def mbit(bits_per_second: float) -> str:
    """Say a rate."""
    for unit, multiple in (("Tbit/s", 1e12), ("Gbit/s", 1e9)):
        if bits_per_second >= multiple:
            return f"{bits_per_second / multiple:.4g} {unit}"
    return f"{bits_per_second / 1e6:.4g} Mbit/s"


def percent(part: float) -> str:
    """Say a share that may be small, such that it does not look like nothing."""
    return f"{part:.3%}" if part >= 0.0001 else "none" if part == 0 else f"{part * 100:.1g}%"


def size(octets: int) -> str:
    """Say a window: in binary units, as it is set."""
    return f"{octets / 2**20:.3g} MiB" if octets >= 2**20 else f"{octets / 2**10:.3g} KiB"


def ms(duration_ns: int) -> str:
    """Say a round trip."""
    return f"{duration_ns / 1e6:.3g} ms"
