"""What a server of Prometheus' API kept of two paths, for `eragent compare --prometheus`: counts by steps of time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from agent.cli.evidence.wanted import EvidenceError, Wanted
from agent.compare.blocks import Floats
from agent.compare.comparison import Names
from agent.compare.histograms import Histograms, Sides, Window

_TIMEOUT_S = 60
_STEPS = 168  # an hour each of a week
_LEAST_STEP_S = 120  # increase() needs two scrapes at the least, and most scrape every 15 to 60 s
_NS_PER_S = 1e9
_STREAM = ("agent", "probe", "target", "path")

Series = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the server has. ``warnings`` are its own, for example that a store did not answer."""

    names: Names
    sides: Sides
    window: Window
    warnings: tuple[str, ...]


def shown(url: str) -> str:
    """Return the URL as others may see it, without a name and a password."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


async def histograms_of(
    url: str, wanted: Wanted, *, agent: str | None, tenant: str | None, since_s: float, now_s: float
) -> Found:
    """Ask for both paths' histograms of round trips and counts of losses over the last ``since_s``.

    Who asks is what the URL says, else ``~/.netrc``; proxies are those of the environment. Raise
    :class:`EvidenceError` where the server cannot be asked, refuses, or does not have both paths.
    """
    step_s = max(round(since_s / _STEPS), _LEAST_STEP_S)
    steps = max(int(since_s // step_s), 1)
    headers = {} if tenant is None else {"X-Scope-OrgID": tenant}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session:
            server = _Server(session, url.rstrip("/"), now_s=now_s, step_s=step_s, steps=steps)
            names, selectors = await _chosen(server, wanted, agent, since_s)
            both = [await server.counted(selector) for selector in selectors]
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        reason = str(error).replace(url, shown(url)) or f"no answer within {_TIMEOUT_S} s"
        raise EvidenceError(f"{shown(url)} cannot be asked: {reason}: name the root of a Prometheus API") from error
    there = np.flatnonzero(both[0]["sent"] * both[1]["sent"])
    window = Window(
        begins_ns=round((now_s - steps * step_s) * _NS_PER_S),
        step_s=float(step_s),
        steps=len(there),
        asked=steps,
        noisy=round(sum(float(counts["noisy"][there].sum()) for counts in both)),
    )
    ours, theirs = (_histograms(counts, there) for counts in both)
    if not np.array_equal(ours.bounds_ns, theirs.bounds_ns):
        raise EvidenceError("the histograms of the two paths have different buckets: ask for a time of one version")
    return Found(names=names, sides=(ours, theirs), window=window, warnings=tuple(dict.fromkeys(server.warnings)))


async def _chosen(server: _Server, wanted: Wanted, agent: str | None, since_s: float) -> tuple[Names, list[str]]:
    """Find out which streams there are, and return what is compared, and what selects each path's series."""
    range_s = max(round(since_s), 1)
    query = f"group by ({', '.join(_STREAM)}) (last_over_time(eragent_packets_sent_total[{range_s}s]))"
    there = [tuple(one["metric"].get(label, "") for label in _STREAM) for one in await server.asked(query)]
    agents = list(dict.fromkeys(one[0] for one in there if one[3] in (wanted.baseline, wanted.candidate)))
    if agent is not None and agent not in agents:
        raise EvidenceError(f"no agent {agent} has these paths; those that do: {', '.join(agents) or 'none'}")
    if agent is None and len(agents) > 1:
        raise EvidenceError(f"several agents have these paths: {', '.join(agents)}: add --agent")
    chosen = agent if agent is not None else next(iter(agents), "")
    names = wanted.among((one[1:] for one in there if one[0] == chosen), shown(server.url))
    return names, [
        _selector(agent=chosen, probe=names.probe, target=names.target, path=path)
        for path in (names.baseline, names.candidate)
    ]


def _selector(**labels: str) -> str:
    return "{" + ", ".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in labels.items()) + "}"


class _Server:
    """Asks one server, and keeps its warnings."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, now_s: float, step_s: int, steps: int) -> None:
        self.url = url
        self.warnings: list[str] = []
        self._session = session
        self._now_s = now_s
        self._step_s = step_s
        self._steps = steps

    async def asked(self, query: str) -> Series:
        """Return what an instant query finds."""
        return await self._answer("query", {"query": query, "time": f"{self._now_s:.3f}"})

    async def counted(self, selector: str) -> dict[str, Floats]:
        """Return what was counted of a stream in each step: by bucket, and packets by what became of them.

        Those that this host overlooked tell nothing of the path, and count as not sent; those that failed, as lost.
        """
        names = ("packets_sent", "packets_lost", "packets_failed", "packets_overlooked", "samples_noisy")
        sent, lost, failed, overlooked, noisy = [await self._total(f"eragent_{name}_total{selector}") for name in names]
        known = np.clip(sent - overlooked, 0, None)
        # increase() extrapolates each counter on its own: the sum of two may be a little above what contains both.
        found = {"sent": known, "lost": np.minimum(lost + failed, known), "noisy": noisy}
        query = f"sum by (le) (increase(eragent_rtt_seconds_bucket{selector}[{self._step_s}s]))"
        buckets = {float(one["metric"]["le"]): self._steps_of(one) for one in await self._over_time(query)}
        bounds = sorted(buckets)
        found["bounds"] = np.array(bounds)
        cumulated = np.column_stack([np.zeros(self._steps), *(buckets[bound] for bound in bounds)])
        found["counts"] = np.clip(np.diff(cumulated, axis=1), 0, None)
        return found

    async def _total(self, metric: str) -> Floats:
        found = await self._over_time(f"sum(increase({metric}[{self._step_s}s]))")
        return self._steps_of(found[0]) if found else np.zeros(self._steps)

    async def _over_time(self, query: str) -> Series:
        first_s = self._now_s - (self._steps - 1) * self._step_s
        times = {"start": f"{first_s:.3f}", "end": f"{self._now_s:.3f}", "step": str(self._step_s)}
        return await self._answer("query_range", {"query": query, **times})

    def _steps_of(self, series: Mapping[str, Any]) -> Floats:
        """Return a value a step; 0 where there is none."""
        found = np.zeros(self._steps)
        first_s = self._now_s - (self._steps - 1) * self._step_s
        for at_s, value in series["values"]:
            step = round((float(at_s) - first_s) / self._step_s)
            if 0 <= step < self._steps:
                found[step] = float(value)
        return np.nan_to_num(found, nan=0.0)

    async def _answer(self, what: str, parameters: Mapping[str, str]) -> Series:
        async with self._session.post(f"{self.url}/api/v1/{what}", data=parameters) as response:
            text = await response.text()
            status = response.status
        try:
            answer = json.loads(text)
            if answer["status"] != "success":
                raise EvidenceError(
                    f"{shown(self.url)} refused: {answer.get('error', 'without a reason')} (HTTP {status})"
                )
            self.warnings += [str(warning) for warning in answer.get("warnings", ())]
            result: Series = answer["data"]["result"]
        except (ValueError, KeyError, TypeError) as error:
            begin = " ".join(text.split())[:80]
            message = f"{shown(self.url)} answers no Prometheus API (HTTP {status}: {begin!r}): name the root of one"
            raise EvidenceError(message) from error
        return result


def _histograms(counts: Mapping[str, Floats], steps: Any) -> Histograms:
    bounds = counts["bounds"]
    return Histograms(
        bounds_ns=bounds[:-1] * _NS_PER_S,
        counts=counts["counts"][steps],
        sent=counts["sent"][steps],
        lost=counts["lost"][steps],
    )
