"""When tests are due: a pure function of time, schedule and seed. Knows no clock and sleeps for nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from random import Random
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WINDOW = re.compile(r"(?:(?P<days>\S.*) )?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})", re.ASCII)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY_DAY = tuple(range(len(_DAYS)))
_DAY = timedelta(days=1)
_MINUTES_A_DAY = 24 * 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_AHEAD, _DAYS_AHEAD_OF_WEEKDAYS = 3, 16
"""How many days are searched for a window: daylight saving time may leave out one of them, and the next one begins
tomorrow, or a week later."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A time of each day, in minutes since local midnight; one that ends before it begins ends the next day.

    ``days`` are those on which it begins, from 0 for Monday.
    """

    begin: int
    end: int
    days: tuple[int, ...] = _EVERY_DAY

    def __str__(self) -> str:
        days = "" if self.daily else ",".join(_DAYS[day] for day in self.days) + " "
        return f"{days}{self.begin // 60:02}:{self.begin % 60:02}-{self.end // 60:02}:{self.end % 60:02}"

    @property
    def daily(self) -> bool:
        """Whether it comes each day."""
        return self.days == _EVERY_DAY

    @property
    def minutes(self) -> int:
        """How long it is on a day without a change of the clocks."""
        return (self.end - self.begin) % _MINUTES_A_DAY or _MINUTES_A_DAY

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``01:00-05:00`` or ``Sat,Sun 01:00-05:00``; raise :class:`ValueError` that shows a right one."""
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no window: write for example 01:00-05:00{_with_days(text)}")
        hours, minutes = (int(match[2]), int(match[4])), (int(match[3]), int(match[5]))
        begin, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
        if begin >= _MINUTES_A_DAY or end > _MINUTES_A_DAY or max(minutes) > 59:
            raise ValueError(f"{text!r} is no time of a day: it goes from 00:00 to 24:00")
        if begin == end:
            raise ValueError(f"{text!r} never comes: it ends when it begins; write 00:00-24:00 for all day")
        return cls(begin, end, _EVERY_DAY if match["days"] is None else _parse_days(match["days"]))


def _with_days(text: str) -> str:
    """Show how days are written to whom they are about; of a list in brackets a comma makes two entries of them."""
    names_a_day = any(day.lower() in text.lower() for day in _DAYS)
    return ", with days in quotation marks: 'Sat,Sun 01:00-05:00'" if names_a_day else ""


def _parse_days(text: str) -> tuple[int, ...]:
    """Read ``Sat,Sun`` or ``Mon-Fri``; one that goes over Sunday goes on with Monday."""
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _parse_day(first)
        length = (_parse_day(last) - begin) % len(_DAYS) if dash else 0
        days.update((begin + ahead) % len(_DAYS) for ahead in range(length + 1))
    return tuple(sorted(days))


def _parse_day(text: str) -> int:
    try:
        return _DAYS.index(text.strip().capitalize())
    except ValueError:
        said = ", ".join(_DAYS[:-1])
        raise ValueError(f"{text.strip()!r} is no day: write {said} or {_DAYS[-1]}, or Mon-Fri") from None


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
    started. Those outside all windows make one at the next window's beginning, unless a time of the grid lies in that
    window. Within a window nothing begins that would end, ``length`` later, outside of it.
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

    def due_within(self, begin: datetime, end: datetime, seed: str = "") -> Iterator[datetime]:
        """Yield when tests are due from ``begin`` on and before ``end``."""
        due = self.next_due(begin.astimezone(UTC) - timedelta(microseconds=1), seed)
        while due < end:
            yield due
            due = self.next_due(due, seed)

    def _base(self, after: datetime) -> datetime:
        """Return the first moment of the grid, moved into a window, behind ``after``."""
        nominal = self._on_grid(after)
        if not self.windows:
            return nominal
        openings = [(max(nominal, begin), last) for begin, last in self._openings(nominal) if nominal <= last]
        begin, last = min(openings)
        own = begin if begin == nominal else self._on_grid(begin - timedelta.resolution)
        return own if own <= last else begin

    def _on_grid(self, after: datetime) -> datetime:
        return _EPOCH + ((after - _EPOCH) // self.every + 1) * self.every

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
        daily = any(window.daily for window in self.windows)
        for ahead in range(-1, _DAYS_AHEAD if daily else _DAYS_AHEAD_OF_WEEKDAYS):
            day = today + ahead * _DAY
            for window in self.windows:
                if day.weekday() not in window.days:
                    continue
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
