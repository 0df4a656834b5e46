"""Measure every program in one run: `make bench`, or `python -m bench --help`."""

from __future__ import annotations

import sys

from bench._checks import check, check_lengths
from bench._contenders import Contender, start
from bench._document import write
from bench._figures import Figures, figures_of
from bench._load import require_wrk
from bench._machine import describe
from bench._options import Options, read_options
from bench._place import take_place
from bench._table import render
from bench._windows import measure


def main() -> None:
    """Check, measure, print, and write if asked to."""
    options = read_options()
    require_wrk()
    found: list[Figures] = []
    machine: list[str] = []
    with take_place(options.folder, options.backends) as place:
        for group in options.measured_groups():
            with start(group, options, place) as contenders:
                if not machine:
                    machine = describe(contenders, place.cores)
                    print("\n".join(machine))
                found += _measure(group, contenders, options)
    if options.write:
        write(found, machine, options)
    failed = sorted({f.contender.label for f in found if f.errors and f.contender.program.is_ours})
    if failed:
        sys.exit(f"Refused or broken answers from {', '.join(failed)}.")


def _measure(group: str, contenders: list[Contender], options: Options) -> list[Figures]:
    """Check the programs of a group, measure them, and print what was found."""
    for contender in contenders:
        check(contender)
    check_lengths(contenders)
    print(f"\n{len(contenders)} servers run, and answer alike.")
    found: list[Figures] = []
    for cell in measure(group, contenders, options):
        for backend in options.backends:
            figures = figures_of(cell, backend)
            print(render(figures, backend, options.windows), flush=True)
            found += figures
    return found


if __name__ == "__main__":
    main()
