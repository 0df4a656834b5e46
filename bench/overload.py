"""Four times as many requests as a server can answer: `python -m bench.overload`.

What it can answer is measured first, with 64 requests under way at any time. Then requests come by
chance, at 0.9 and at 4 times that rate, whether or not the earlier ones are answered. All come over
connections that are open before, as those of a proxy are; of memory only what comes on top of these
is told. "per CPU" is the goodput as a share of what the processor time that the server got would
have been enough for, which says more where others took part of its core; "us a 503" is what was
left of that time, by the refusals.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from pathlib import Path

from bench._groups import GROUPS
from bench._open_loop import Flood, Outcome
from bench._options import BACKENDS, some_of
from bench._place import Place, take_place
from bench._processors import cpu_seconds, resident_bytes
from bench._programs import PROGRAMS
from bench._servers import Server, serve
from bench._table import align, backend_title

UNDER_WAY = 64
RATES = (0.9, 4.0)
WATCHED = {"guide": ("list", "create"), "handwritten": ("list", "create"), "resource": ("create",)}

_HEAD = (
    "program", "row", "capacity/s", "at", "goodput", "per CPU", "503", "us a 503", "unsent",
    "broken", "p99 ms", "of capacity's", "MB more", "after 1 s",
)  # fmt: skip


def main() -> None:
    """Serve, flood, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--backends", type=some_of(BACKENDS), default=BACKENDS)
    parser.add_argument("--programs", type=some_of(list(WATCHED)), default=tuple(WATCHED))
    parser.add_argument("--seconds", type=int, default=20, help="of each flood (20)")
    parser.add_argument("--folder", type=Path, help="on a disk, for the databases")
    options = parser.parse_args()
    # A connection is an open file, of which Linux lets a process have 1,024 by default.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with take_place(options.folder, options.backends) as place:
        for backend in options.backends:
            lines = [line for name in options.programs
                     for line in _watch(name, backend, place, options.seconds)]  # fmt: skip
            print(f"\n{backend_title(backend)}\n\n{align([_HEAD, *lines])}", flush=True)


def _watch(name: str, backend: str, place: Place, seconds: int) -> Iterator[tuple[str, ...]]:
    program = PROGRAMS[name]
    for row in WATCHED[name]:
        database = place.create_database(backend, f"overload_{name}_{row}")
        with serve(program, database.url(program.sqlite), place) as server:
            database.fill(GROUPS[program.group].tables)
            request = program.request(row)
            _saturate(Flood(server.port, request), server, 2)
            flood = Flood(server.port, request)
            flood.connect()
            capacity, cost = _saturate(flood, server, 5)
            for rate in RATES:
                flood = Flood(server.port, request)
                flood.connect()
                server.settle()
                before, used = resident_bytes(server.process), cpu_seconds(server.process)
                outcome = flood.run(seconds, rate * capacity.goodput)
                used = cpu_seconds(server.process) - used
                more = (resident_bytes(server.process) - before) / 2**20
                after, _ = _saturate(Flood(server.port, request), server, 2)
                served = cost * len(outcome.successes)
                rest = 1e6 * max(0.0, used - served) / outcome.refused if outcome.refused else 0.0
                yield (
                    program.title, row, f"{capacity.goodput:.0f}", f"{rate} x",
                    f"{outcome.goodput / capacity.goodput:.2f}", f"{served / used:.2f}",
                    str(outcome.refused), f"{rest:.0f}", str(outcome.unsent), str(outcome.broken),
                    f"{1000 * outcome.p99:.0f}", f"{outcome.p99 / capacity.p99:.1f}",
                    f"{more:.0f}", f"{after.goodput / capacity.goodput:.2f}",
                )  # fmt: skip


def _saturate(flood: Flood, server: Server, seconds: int) -> tuple[Outcome, float]:
    """Ask for as much as a server can answer; return that, and its core seconds for each."""
    before = cpu_seconds(server.process)
    outcome = flood.saturate(seconds, UNDER_WAY)
    return outcome, (cpu_seconds(server.process) - before) / len(outcome.successes)


if __name__ == "__main__":
    main()
