"""Links by the kernel's netem, where it has it: the same behaviour as :mod:`agent.lab.impair`, said to `tc`."""

from __future__ import annotations

import statistics
from pathlib import Path
from random import Random

from agent.lab.build import in_namespace, run
from agent.lab.impair import Behaviour, Jitter

# netem reads 16-bit quantiles in units of the standard deviation / 8192, so four deviations are the longest tail.
_SCALE, _LARGEST = 8192, 32767
_QUANTILES = 4096
_LIMIT_FRAMES = 100_000


def distribution(jitter: Jitter) -> tuple[int, int, list[int]]:
    """Return mean and standard deviation in nanoseconds, and netem's table of quantiles, for a link's jitter."""
    delays = sorted(jitter.draw_ns(random) for random in [Random(0)] for _ in range(_QUANTILES))
    mean, deviation = statistics.fmean(delays), statistics.pstdev(delays) or 1.0
    table = [max(-_LARGEST, min(_LARGEST, round((delay - mean) / deviation * _SCALE))) for delay in delays]
    return round(mean), round(deviation), table


def netem_arguments(behaviour: Behaviour, table: str) -> list[str]:
    """Return what follows ``tc qdisc add dev DEVICE`` for one direction; ``table`` names its distribution."""
    arguments = ["root", "handle", "1:", "netem", "limit", str(_LIMIT_FRAMES), "delay"]
    if behaviour.jitter is None:
        arguments.append(_microseconds(behaviour.delay_ns))
    else:
        mean_ns, deviation_ns, _ = distribution(behaviour.jitter)
        arguments += [_microseconds(behaviour.delay_ns + mean_ns), _microseconds(deviation_ns), "distribution", table]
    if behaviour.bursts is not None:
        enter, leave = behaviour.bursts.enter, 1 / behaviour.bursts.mean_frames
        arguments += ["loss", "gemodel", *(f"{100 * share:.4f}%" for share in (enter, leave, 1.0, behaviour.loss))]
    elif behaviour.loss:
        arguments += ["loss", "random", f"{100 * behaviour.loss:.4f}%"]
    return arguments


def _microseconds(duration_ns: int) -> str:
    """Write a duration for `tc`, whose netem refuses nanoseconds but takes fractions."""
    return f"{duration_ns / 1000:.3f}us"


class NetemLink:
    """A bridge between the two devices of a link's namespace, with netem on the way out of each."""

    def __init__(self, name: str, to_azure: Behaviour, from_azure: Behaviour, directory: Path) -> None:
        self._name = name
        self._ip(f"link add name bridge type bridge\nlink set dev bridge up\n{_bridged('master bridge')}")
        for device, behaviour in (("azure", to_azure), ("site", from_azure)):
            self._delay(device, behaviour, directory)

    def set_up(self, is_up: bool) -> None:
        """Carry frames or drop them; the carrier stays as it is either way."""
        self._ip(_bridged("master bridge" if is_up else "nomaster"))

    def report(self) -> None:
        """Return nothing: the kernel does not say how punctual it is."""
        return

    def _delay(self, device: str, behaviour: Behaviour, directory: Path) -> None:
        table = f"{self._name}-{device}"
        if behaviour.jitter is not None:
            quantiles = distribution(behaviour.jitter)[2]
            (directory / f"{table}.dist").write_text("\n".join(map(str, quantiles)), encoding="ascii")
        tc = in_namespace(self._name, "env", f"TC_LIB_DIR={directory}", "tc", "qdisc", "add", "dev", device)
        run([*tc, *netem_arguments(behaviour, table)])
        if behaviour.keep_order:  # a plain queue behind it: its own lets frames overtake each other
            run([*tc, "parent", "1:1", "pfifo", "limit", str(_LIMIT_FRAMES)])

    def _ip(self, commands: str) -> None:
        run(["ip", "-n", self._name, "-batch", "-"], text=commands)


def _bridged(state: str) -> str:
    return "".join(f"link set dev {device} {state}\n" for device in ("site", "azure"))
