"""When tests are due: a pure function of time, schedule and seed. Knows no clock and sleeps for nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from random import Random
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WINDOW = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAY = timedelta(days=1)
_MINUTES_A_DAY = 24 * 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_AHEAD = 3
"""How many days are searched for a window: daylight saving time may leave out one day's, and one begins tomorrow."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A time of each day, in minutes since local midnight; one that ends before it begins ends the next day."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin // 60:02}:{self.begin % 60:02}-{self.end // 60:02}:{self.end % 60:02}"

    @property
    def minutes(self) -> int:
        """How long it is on a day without a change of the clocks."""
        return (self.end - self.begin) % _MINUTES_A_DAY or _MINUTES_A_DAY

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``01:00-05:00``; raise :class:`ValueError` that shows a right one."""
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no window: write for example 01:00-05:00")
        hours, minutes = (int(match[1]), int(match[3])), (int(match[2]), int(match[4]))
        begin, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
        if begin >= _MINUTES_A_DAY or end > _MINUTES_A_DAY or max(minutes) > 59:
            raise ValueError(f"{text!r} is no time of a day: it goes from 00:00 to 24:00")
        if begin == end:
            raise ValueError(f"{text!r} never comes: it ends when it begins; write 00:00-24:00 for all day")
        return cls(begin, end)


def parse_zone(name: str) -> tzinfo:
    """Return the time zone of this name; raise :class:`ValueError` where this host knows none of it.

    UTC is known everywhere; all others are from tzdata, which minimal systems lack.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: names such as "." are directories
        remedy = "write for example Europe/Paris; all but UTC need its tzdata"
        raise ValueError(f"{name!r} is no time zone of this host: {remedy}") from None


def local_day(at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when the local day around ``at`` begins and ends, in UTC: 23 to 25 hours apart."""
    today = at.astimezone(zone).date()
    first, last = (datetime.combine(day, time.min, zone).astimezone(UTC) for day in (today, today + _DAY))
    return first, last


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Tests ``every`` so often, within windows if there are any, each later by a random part of ``jitter``.

    Times of the grid are whole multiples of ``every`` since 1970 in UTC, so they do not depend on when a service was
    started. One outside all windows moves to the next window's beginning; several that meet there are one. Within a
    window nothing begins that would end, ``length`` later, outside of it.
    """

    every: timedelta
    windows: tuple[Window, ...] = ()
    zone: tzinfo = UTC
    jitter: timedelta = timedelta()
    length: timedelta = timedelta()

    def __post_init__(self) -> None:
        for window in self.windows:
            if self.length > timedelta(minutes=window.minutes):
                raise ValueError(f"{window} never comes: a round of tests takes {_said(self.length)}, longer than it")

    def next_due(self, after: datetime, seed: str) -> datetime:
        """Return when the first test behind ``after`` is due, in UTC; the same seed gives the same times."""
        base = self._base(after - self.jitter - self.every)
        while True:
            due = self._shifted(base, seed)
            if due > after:
                return due
            base = self._base(base)

    def _base(self, after: datetime) -> datetime:
        """Return the first moment of the grid, moved into a window, behind ``after``."""
        nominal = _EPOCH + ((after - _EPOCH) // self.every + 1) * self.every
        if not self.windows:
            return nominal
        return min(max(nominal, begin) for begin, last in self._openings(nominal) if nominal <= last)

    def _shifted(self, base: datetime, seed: str) -> datetime:
        """Return ``base`` and its jitter: within the window, and ahead of what comes next."""
        slack = min(self.jitter, self._base(base) - base)
        for begin, last in self._openings(base) if self.windows else ():
            if begin <= base <= last:
                slack = min(slack, last - base)
        return base + Random(f"{seed} {base.timestamp()}").random() * slack

    def _openings(self, around: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield when tests may begin, first and last moment, on the local days around ``around``."""
        today = around.astimezone(self.zone).date()
        for ahead in range(-1, _DAYS_AHEAD):
            for window in self.windows:
                day = today + ahead * _DAY
                begin = self._moment(day, window.begin, fold=0)
                over_midnight = window.end <= window.begin
                last = self._moment(day + over_midnight * _DAY, window.end, fold=1) - self.length
                if begin <= last and (begin < last or self.length):
                    yield begin, last

    def _moment(self, day: date, minutes: int, *, fold: int) -> datetime:
        """Return a local time in UTC; where the clocks leave it out, the moment at which they do."""
        if minutes == _MINUTES_A_DAY:
            day, minutes = day + _DAY, 0
        local = datetime.combine(day, time(*divmod(minutes, 60)), self.zone)
        if local.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return local.replace(fold=fold).astimezone(UTC)
        return self._change_around(local)

    def _change_around(self, missing: datetime) -> datetime:
        """Return when the clocks jumped over a local time: fold 1 and 0 give the moments an offset before and after."""
        low, high = (missing.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
        offset = high.astimezone(self.zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            low, high = (low, middle) if middle.astimezone(self.zone).utcoffset() == offset else (middle, high)
        return high.replace(microsecond=0)


def _said(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"
