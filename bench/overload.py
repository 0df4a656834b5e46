"""Four times as many requests as a server can answer: `python -m bench.overload`.

What it can answer is measured first, with 64 connections that ask again and again. Then requests
come by chance, at 0.9 and at 4 times that rate, whether or not the earlier ones are answered.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

from bench._groups import GROUPS
from bench._open_loop import Flood, Outcome
from bench._options import BACKENDS, some_of
from bench._place import Place, take_place
from bench._processors import resident_bytes
from bench._programs import PROGRAMS
from bench._requests import Request
from bench._servers import serve
from bench._table import align, backend_title

CONNECTIONS = 64
RATES = (0.9, 4.0)
WATCHED = {"guide": ("list", "create"), "handwritten": ("list", "create"), "resource": ("create",)}

_HEAD = (
    "program", "row", "capacity/s", "at", "goodput", "503", "broken", "p99 ms", "MB more",
    "after 1 s",
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
            flood = Flood(server.port, program.request(row))
            asyncio.run(flood.saturate(2, CONNECTIONS))
            server.settle()
            flood = Flood(server.port, program.request(row))
            capacity = asyncio.run(flood.saturate(5, CONNECTIONS)).goodput
            for rate in RATES:
                server.settle()
                before = resident_bytes(server.process)
                flood = Flood(server.port, program.request(row))
                outcome = asyncio.run(flood.run(seconds, rate * capacity))
                after = asyncio.run(_ask_later(server.port, program.request(row)))
                more = (resident_bytes(server.process) - before) / 2**20
                yield (
                    program.title, row, f"{capacity:.0f}", f"{rate} x",
                    f"{outcome.goodput / capacity:.2f}", str(outcome.refused), str(outcome.broken),
                    f"{1000 * outcome.p99:.0f}", f"{more:.0f}", f"{after.goodput / capacity:.2f}",
                )  # fmt: skip


async def _ask_later(port: int, request: Request) -> Outcome:
    """Look what is answered a second after a flood."""
    await asyncio.sleep(1)
    return await Flood(port, request).saturate(2, CONNECTIONS)


if __name__ == "__main__":
    main()
