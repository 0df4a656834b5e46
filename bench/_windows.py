"""Windows: short, in turns, thrown away when somebody else used the machine."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench._contenders import Contender
from bench._load import Outcome
from bench._options import Options
from bench._processors import Meter, cpu_seconds, resident_bytes
from bench._rows import ROWS

__all__ = ["Cell", "Series", "Window", "measure"]

_WARM_UP_CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one program did in one window."""

    outcome: Outcome
    foreign: float
    server_seconds: float
    memory: int

    @property
    def rate(self) -> float:
        """Successes a second."""
        return self.outcome.successes / self.outcome.seconds


@dataclass
class Series:
    """All windows of a program in one cell; `clean` are those without foreign load."""

    contender: Contender
    clean: list[Window] = field(default_factory=list)
    spoilt: list[Window] = field(default_factory=list)

    @property
    def windows(self) -> list[Window]:
        """The clean ones, or what there is."""
        return self.clean or self.spoilt


@dataclass(frozen=True)
class Cell:
    """One row at one number of connections, with all programs."""

    row: str
    connections: int
    series: list[Series]


def measure(group: str, contenders: list[Contender], options: Options) -> Iterator[Cell]:
    """Measure the rows of a group, one after the other."""
    for row in options.rows_of(group):
        for contender in contenders:
            contender.load(row).run(_WARM_UP_CONNECTIONS, 1, seed=0)
            contender.server.settle()
        for connections in options.connections_of(group):
            yield _measure_cell(contenders, row, connections, options)


def _measure_cell(
    contenders: list[Contender], row: str, connections: int, options: Options
) -> Cell:
    series = [Series(contender) for contender in contenders]
    stored = [_count(one.contender, row) for one in series]
    for turn in range(options.windows):
        shift = turn * max(1, len(series) // options.windows) % len(series)
        for one in series[shift:] + series[:shift]:
            _measure_until_clean(one, row, connections, options)
    for one, before in zip(series, stored, strict=True):
        _check_stored(one, row, connections, before)
    return Cell(row, connections, series)


def _measure_until_clean(one: Series, row: str, connections: int, options: Options) -> None:
    while True:
        window = _measure_window(one.contender, row, connections, options.seconds)
        if window.foreign <= options.foreign:
            one.clean.append(window)
            return
        one.spoilt.append(window)
        if len(one.spoilt) > options.repeats:
            return


def _measure_window(contender: Contender, row: str, connections: int, seconds: int) -> Window:
    process = contender.server.process
    meter, began = Meter(), time.perf_counter()
    before = cpu_seconds(process)
    outcome = contender.load(row).run(connections, seconds, random.randrange(2**31))
    took = cpu_seconds(process) - before
    foreign = meter.foreign_seconds() / (time.perf_counter() - began)
    memory = resident_bytes(process)
    contender.server.settle()
    return Window(outcome=outcome, foreign=foreign, server_seconds=took, memory=memory)


def _count(contender: Contender, row: str) -> int:
    return contender.count() if ROWS[row].stores else 0


def _check_stored(one: Series, row: str, connections: int, before: int) -> None:
    if one.contender.database is None or not ROWS[row].stores:
        return
    windows = one.clean + one.spoilt
    acknowledged = sum(window.outcome.successes for window in windows)
    # What was on its way at the end of a window, or of the warm-up, may be stored unanswered.
    unanswered = sum(window.outcome.refused for window in windows)
    unanswered += connections * len(windows) + _WARM_UP_CONNECTIONS
    added = _count(one.contender, row) - before
    if not acknowledged <= added <= acknowledged + unanswered:
        message = f"{one.contender.label}: {acknowledged} rows were acknowledged, {added} stored"
        raise RuntimeError(message)
