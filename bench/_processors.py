"""Which core does what, and what each process took of it, from Linux's /proc."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cores", "Meter", "cpu_seconds", "resident_bytes", "use_core"]

_KERNEL_THREADS = 2


@dataclass(frozen=True)
class Cores:
    """The server's core, and the one of the load and of PostgreSQL."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """Take the last core for the server and the first for all else."""
        if sys.platform != "linux":
            sys.exit("The benchmark needs Linux: it binds processes to cores and reads /proc.")
        available = sorted(os.sched_getaffinity(0))
        if len(available) == 1:
            print("There is one core: server and load share it, and no figure means much.")
        return cls(server=available[-1], load=available[0])


@contextmanager
def use_core(core: int) -> Iterator[None]:
    """Start processes on a core: they inherit it from this thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class _Process:
    parent: int
    own: float
    reaped: float


class Meter:
    """Core seconds since it was made: of our processes, and of everybody else's.

    The kernel's own threads count as ours: they write what the programs store.
    """

    def __init__(self) -> None:
        self._others = self._measure()

    def foreign_seconds(self) -> float:
        """Return the seconds that processes of others took, on all cores together."""
        return self._measure() - self._others

    @staticmethod
    def _measure() -> float:
        busy = _busy_seconds()
        return busy - _our_seconds(_processes())


def _busy_seconds() -> float:
    # user, nice, system and steal; interrupts are mostly the loopback's, and nobody's.
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(fields[index]) for index in (0, 1, 2, 7)]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _our_seconds(processes: dict[int, _Process]) -> float:
    ours = _family(processes, os.getpid())
    total = sum(processes[number].own + processes[number].reaped for number in ours)
    kernel = [p.own for n, p in processes.items() if _KERNEL_THREADS in {n, p.parent}]
    return total + sum(kernel)


def _family(processes: dict[int, _Process], root: int) -> set[int]:
    family = {root} & set(processes)
    while more := {n for n, p in processes.items() if p.parent in family} - family:
        family |= more
    return family


def _processes() -> dict[int, _Process]:
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    found = {number: _read(number) for number in numbers}
    return {number: process for number, process in found.items() if process is not None}


def _read(number: int) -> _Process | None:
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:  # it ended meanwhile
        return None
    fields = text.rpartition(")")[2].split()
    user, system, reaped_user, reaped_system = (int(field) for field in fields[11:15])
    tick = os.sysconf("SC_CLK_TCK")
    own, reaped = (user + system) / tick, (reaped_user + reaped_system) / tick
    return _Process(int(fields[1]), own, reaped)


def cpu_seconds(root: int) -> float:
    """Return what a process and all that it started have taken."""
    processes = _processes()
    return sum(processes[n].own + processes[n].reaped for n in _family(processes, root))


def resident_bytes(number: int) -> int:
    """Return how much memory a process holds."""
    pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
