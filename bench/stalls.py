"""How long the event loop stands still under load: `python -m bench.stalls`.

A timer in the server is due each millisecond, and notes how late it comes, while 64 connections ask
for each row of the benchmark: the turn of the event loop that it waits for has some of them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench._groups import GROUPS
from bench._load import Load, require_wrk
from bench._options import BACKENDS, some_of
from bench._place import Place, take_place
from bench._programs import PROGRAMS
from bench._requests import Request
from bench._rows import rows_of
from bench._servers import Server, serve
from bench._table import align, backend_title

CONNECTIONS = 64
WATCHED = ("resource", "handwritten", "guide")

_MEASURED = [name for name, program in PROGRAMS.items() if program.has_database]
_HEAD = ("program", "row", "median ms", "99.9 % ms", "longest ms", "over 20 ms", "p99/p50")


def main() -> None:
    """Serve, load, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalls", description=__doc__)
    parser.add_argument("--backends", type=some_of(BACKENDS), default=BACKENDS)
    parser.add_argument("--programs", type=some_of(_MEASURED), default=WATCHED)
    parser.add_argument("--seconds", type=int, default=10, help="of each row (10)")
    parser.add_argument("--folder", type=Path, help="on a disk, for the databases")
    options = parser.parse_args()
    require_wrk()
    with take_place(options.folder, options.backends) as place:
        for backend in options.backends:
            names = [name for name in options.programs if backend in PROGRAMS[name].backends]
            lines = [line for name in names
                     for line in _watch(name, backend, place, options.seconds)]  # fmt: skip
            title = f"{backend_title(backend)}: {CONNECTIONS} connections"
            print(f"\n{title}\n\n{align([_HEAD, *lines])}", flush=True)


def _watch(name: str, backend: str, place: Place, seconds: int) -> Iterator[tuple[str, ...]]:
    """Measure each row of one program."""
    program = PROGRAMS[name]
    database = place.create_database(backend, f"stalls_{name.replace('-', '_')}")
    watched = replace(program, app="bench.programs.watched:app")
    url, module = database.url(program.sqlite), program.app.partition(":")[0]
    with serve(watched, url, place, WATCHED=module) as server:
        database.fill(GROUPS[program.group].tables)
        for row in rows_of(program.group):
            load = Load(server.port, program.request(row), place.folder)
            yield program.title, *_measure(server, load, row, seconds)


def _measure(server: Server, load: Load, row: str, seconds: int) -> tuple[str, ...]:
    load.run(CONNECTIONS, 1, seed=0)
    server.ask(Request(path="/stalls"))
    outcome = load.run(CONNECTIONS, seconds, seed=1)
    waits = sorted(server.ask(Request(path="/stalls"))[1])
    late = sum(wait > 20 for wait in waits)
    figures = (statistics.median(waits), waits[int(len(waits) * 0.999)], waits[-1])
    ratio = outcome.p99 / outcome.p50
    return (row, *(f"{figure:.1f}" for figure in figures), str(late), f"{ratio:.1f}")


if __name__ == "__main__":
    main()
