"""What OpenTelemetry's metrics tell of the databases of this process, once for all of them.

Nearly all is read from numbers that are counted anyway, when metrics are exported. Names are those
of the semantic conventions where there are some:
<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import PurePath
from typing import Any, Protocol

from sqlalchemy import URL

from ormolu.engines._counts import Counts
from ormolu.engines._pool import FairPool
from ormolu.telemetry import BOUNDS, find_meter, observe

__all__ = ["Instruments", "install_metrics", "name_of_database"]

_POOL = "db.client.connection.pool.name"
_STATE = "db.client.connection.state"

# Seconds, as the conventions recommend for times of databases.
_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)

Key = tuple[tuple[str, str], ...]


class _Source(Protocol):
    counts: Counts

    @property
    def url(self) -> URL: ...

    def pools(self) -> Mapping[str, list[FairPool]]: ...

    def followers(self) -> list[tuple[str, float | None, bool]]: ...


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """The instruments that are told of each event, all of them rare or slow.

    Attributes:
        wait_time: Seconds in line for a connection, of those who had to wait.
        create_time: Seconds that opening a connection took.
        duration: Seconds of a statement.
    """

    wait_time: Any
    create_time: Any
    duration: Any


@cache
def install_metrics(find: Callable[[], Iterable[_Source]]) -> Instruments | None:
    """Make the instruments; None if the API is not installed.

    Args:
        find: Returns the databases that there are, whenever metrics are exported.
    """
    meter = find_meter()
    if meter is None:
        return None
    for kind, name, unit, description, read in _NUMBERS:
        join = max if kind == "gauge" else operator.add
        observe(kind, name, unit, description, partial(_joined, find, read, join))
    histogram = partial(meter.create_histogram, unit="s", **{BOUNDS: _BOUNDS})
    return Instruments(
        wait_time=histogram(
            "db.client.connection.wait_time", description="Time in line for a connection."
        ),
        create_time=histogram(
            "db.client.connection.create_time", description="Time to open a connection."
        ),
        duration=histogram("db.client.operation.duration", description="Time of a statement."),
    )


def name_of_database(url: URL) -> str:
    """Return its name, of a file without the folder."""
    return PurePath((url.database or "").partition("?")[0]).name


def _joined(
    find: Callable[[], Iterable[_Source]],
    read: Callable[[_Source], Iterator[tuple[Key, float]]],
    join: Callable[[float, float], float],
) -> list[tuple[float, Mapping[str, str]]]:
    """Return numbers by their attributes: two databases of one name are one."""
    joined: dict[Key, float] = {}
    for source in find():
        name = (("db.namespace", name_of_database(source.url)),)
        for key, value in read(source):
            whole = name + key
            joined[whole] = join(joined[whole], value) if whole in joined else value
    return [(value, dict(key)) for key, value in joined.items()]


def _count(name: str) -> Callable[[_Source], Iterator[tuple[Key, float]]]:
    def read(source: _Source) -> Iterator[tuple[Key, float]]:
        yield (), getattr(source.counts, name)

    return read


def _units(source: _Source) -> Iterator[tuple[Key, float]]:
    yield (("ormolu.access", "read"),), source.counts.reads
    yield (("ormolu.access", "write"),), source.counts.writes


def _cancelled(source: _Source) -> Iterator[tuple[Key, float]]:
    yield (("ormolu.reason", "deadline"),), source.counts.deadlines
    yield (("ormolu.reason", "departed"),), source.counts.departures


def _lanes(name: str) -> Callable[[_Source], Iterator[tuple[Key, float]]]:
    def read(source: _Source) -> Iterator[tuple[Key, float]]:
        yield (("ormolu.access", "read"),), getattr(source.counts.lane_reads, name)
        yield (("ormolu.access", "write"),), getattr(source.counts.lane_writes, name)

    return read


def _lags(source: _Source) -> Iterator[tuple[Key, float]]:
    for name, lag, _ in source.followers():
        if lag is not None:
            yield (("ormolu.replica", name),), lag


def _readable(source: _Source) -> Iterator[tuple[Key, float]]:
    for name, _, is_read in source.followers():
        yield (("ormolu.replica", name),), int(is_read)


def _connections(source: _Source) -> Iterator[tuple[Key, float]]:
    for key, use in _uses(source):
        yield (*key, (_STATE, "used")), use["used"]
        yield (*key, (_STATE, "idle")), use["idle"]


def _pool(name: str) -> Callable[[_Source], Iterator[tuple[Key, float]]]:
    def read(source: _Source) -> Iterator[tuple[Key, float]]:
        for key, use in _uses(source):
            yield key, use[name]

    return read


def _uses(source: _Source) -> Iterator[tuple[Key, Mapping[str, int]]]:
    for name, pools in source.pools().items():
        for pool in pools:
            yield ((_POOL, name),), pool.use


_NUMBERS: tuple[tuple[str, str, str, str, Callable[[Any], Iterator[tuple[Key, float]]]], ...] = (
    ("up_down_counter", "db.client.connection.count", "{connection}",
     "Connections, by their state.", _connections),
    ("up_down_counter", "db.client.connection.max", "{connection}",
     "Connections that may be open.", _pool("max")),
    ("up_down_counter", "db.client.connection.pending_requests", "{request}",
     "Units of work in line for a connection.", _pool("waiting")),
    ("counter", "db.client.connection.timeouts", "{timeout}",
     "Units of work that waited for a connection in vain.", _count("refusals")),
    ("counter", "ormolu.units_of_work", "{unit}", "Units of work.", _units),
    ("counter", "ormolu.commits", "{commit}", "COMMITs that have succeeded.", _count("commits")),
    ("counter", "ormolu.retries", "{retry}", "Runs after a conflict.", _count("retries")),
    ("counter", "ormolu.requests.cancelled", "{request}",
     "Requests cancelled after their deadline, or since their client has left.", _cancelled),
    ("counter", "ormolu.lane.batches", "{batch}", "Batches of lanes.", _lanes("batches")),
    ("counter", "ormolu.lane.statements", "{statement}",
     "Statements in these batches.", _lanes("statements")),
    ("counter", "ormolu.lane.wait_time", "s",
     "Time that the first of each batch has waited, summed up.", _lanes("queued")),
    ("counter", "ormolu.lane.refusals", "{statement}",
     "Statements whose turn in a lane did not come in time.", _lanes("refusals")),
    ("gauge", "ormolu.replica.lag", "s",
     "How far a replica that answers is behind its primary.", _lags),
    ("up_down_counter", "ormolu.replica.readers", "{event_loop}",
     "Event loops that read from a replica.", _readable),
)  # fmt: skip
