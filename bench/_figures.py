"""Figures from windows: medians, spreads, and ratios to the baseline in the same run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench._contenders import Contender
from bench._windows import Cell, Series

__all__ = ["Figures", "figures_of"]

_MICROSECONDS = 1e6
_MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One program in one cell of one backend."""

    contender: Contender
    row: str
    connections: int
    rate: float
    least: float
    most: float
    ratio: float | None
    share: float | None
    p50: float
    p99: float
    server_microseconds: float
    memory: float
    errors: int
    windows: int
    is_clean: bool


def figures_of(cell: Cell, backend: str) -> list[Figures]:
    """Return the figures of all programs that stand on a backend, or on none."""
    here = [one for one in cell.series if one.contender.backend in {backend, None}]
    rates = {one.contender.name: _rate(one) for one in here}
    return [_figures(cell, one, rates) for one in here]


def _rate(one: Series) -> float:
    return statistics.median(window.rate for window in one.windows)


def _over(one: Series, rate: float | None) -> float | None:
    return _rate(one) / rate if rate else None


def _figures(cell: Cell, one: Series, medians: dict[str, float]) -> Figures:
    windows = one.windows
    rates = [window.rate for window in windows]
    group = one.contender.group
    requests = sum(window.outcome.requests for window in windows)
    took = sum(window.server_seconds for window in windows)
    outcomes = [window.outcome for window in windows]
    return Figures(
        contender=one.contender,
        row=cell.row,
        connections=cell.connections,
        rate=_rate(one),
        least=min(rates),
        most=max(rates),
        ratio=_over(one, medians.get(one.contender.program.baseline or group.baseline)),
        share=_over(one, medians.get(group.reference)),
        p50=statistics.median(outcome.p50 for outcome in outcomes) / 1000,
        p99=statistics.median(outcome.p99 for outcome in outcomes) / 1000,
        server_microseconds=took / max(1, requests) * _MICROSECONDS,
        memory=windows[-1].memory / _MEBIBYTE,
        errors=sum(outcome.refused + outcome.broken for outcome in outcomes),
        windows=len(windows),
        is_clean=bool(one.clean),
    )
