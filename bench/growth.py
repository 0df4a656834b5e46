"""What a growing table costs: `python -m bench.growth`, through a resource, on both backends.

A point read with a random id, the first page of a list, and the page that 9,999 others come before
(the last but one, where there are fewer: it leads to another, too), each of ten rows. One
connection; the sizes take turns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench._content import users_table
from bench._load import Load, require_wrk
from bench._options import BACKENDS, some_of
from bench._place import Place, take_place
from bench._processors import Meter
from bench._programs import PROGRAMS
from bench._requests import Request
from bench._servers import Server, serve
from bench._table import align, backend_title

SIZES = (1_000, 100_000, 1_000_000)
LARGEST = 10_000_000
PAGE = 10
FAR_PAGE = 10_000
ROWS_A_STEP = 1_000
FOREIGN_CORES = 0.25
WARM_UP_SECONDS = 1


@dataclass
class Subject:
    """One table of some size, served, and what was measured on it: p50 in microseconds."""

    backend: str
    users: int
    server: Server
    paths: dict[str, str]
    folder: Path
    times: dict[str, list[float]] = field(default_factory=dict)
    spoilt: int = 0

    def measure(self, what: str, seconds: int, turn: int) -> None:
        """Note the median time of one window."""
        meter = Meter()
        request = Request(path=self.paths[what])
        load = Load(self.server.port, request, self.folder, self.users)
        outcome = load.run(1, seconds, seed=turn)
        if outcome.refused or outcome.broken:
            message = f"{self.users:,} rows on {self.backend}: {what} was refused"
            raise RuntimeError(message)
        self.spoilt += meter.foreign_seconds() / seconds > FOREIGN_CORES
        self.times.setdefault(what, []).append(outcome.p50)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--backends", type=some_of(BACKENDS), default=BACKENDS)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--large", action="store_true", help=f"with {LARGEST:,} rows as well")
    parser.add_argument("--folder", type=Path, help="on a disk, for the databases")
    options = parser.parse_args()
    require_wrk()
    sizes = (*SIZES, LARGEST) if options.large else SIZES
    for backend in options.backends:
        with _start(backend, sizes, options.folder) as subjects:
            for what in subjects[0].paths:
                _measure(subjects, what, options.windows, options.seconds)
            print(_render(backend, subjects), flush=True)


def _measure(subjects: list[Subject], what: str, windows: int, seconds: int) -> None:
    for subject in subjects:
        subject.measure(what, WARM_UP_SECONDS, turn=0)
        subject.times.pop(what)
    for turn in range(windows):
        shift = turn % len(subjects)
        for subject in subjects[shift:] + subjects[:shift]:
            subject.measure(what, seconds, turn)


@contextmanager
def _start(backend: str, sizes: tuple[int, ...], folder: Path | None) -> Iterator[list[Subject]]:
    with ExitStack() as stack:
        place = stack.enter_context(take_place(folder, [backend]))
        yield [_serve(stack, backend, size, place) for size in sizes]


def _serve(stack: ExitStack, backend: str, users: int, place: Place) -> Subject:
    database = place.create_database(backend, f"growth_{users}")
    program = PROGRAMS["resource"]
    server = stack.enter_context(serve(program, database.url(program.sqlite), place))
    database.fill([users_table(users)])
    print(f"{backend_title(backend)}: {users:,} users are stored.", flush=True)
    paths = {
        "point read": "/users/{id}",
        "page 1": f"/users?limit={PAGE}",
        f"page {FAR_PAGE:,}": _far_page(server, users),
    }
    return Subject(backend, users, server, paths, place.folder)


def _far_page(server: Server, users: int) -> str:
    """Walk to the far page, in large steps: a cursor is the same for every limit."""
    ahead = min(PAGE * (FAR_PAGE - 1), users - 2 * PAGE)
    cursor = ""
    while ahead:
        step = min(ahead, ROWS_A_STEP)
        _, page, _ = server.ask(Request(path=f"/users?limit={step}{cursor}"))
        cursor = f"&cursor={page['next_cursor']}"
        ahead -= step
    return f"/users?limit={PAGE}{cursor}"


def _render(backend: str, subjects: list[Subject]) -> str:
    names = list(subjects[0].paths)
    head = ("rows", *(f"{name}, p50 ms" for name in names), *(f"x {name}" for name in names))
    lines = [_line(subject, subjects[0], names) for subject in subjects]
    spoilt = sum(subject.spoilt for subject in subjects)
    note = f"\n{spoilt} windows with others on the machine." if spoilt else ""
    return f"\n{backend_title(backend)}: one connection\n\n{align([head, *lines])}{note}\n"


def _line(subject: Subject, smallest: Subject, names: list[str]) -> tuple[str, ...]:
    times = [statistics.median(subject.times[name]) / 1000 for name in names]
    base = [statistics.median(smallest.times[name]) / 1000 for name in names]
    ratios = [f"{time / first:.2f}" for time, first in zip(times, base, strict=True)]
    return (f"{subject.users:,}", *(f"{time:.3f}" for time in times), *ratios)


if __name__ == "__main__":
    main()
