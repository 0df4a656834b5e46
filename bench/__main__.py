"""Measure every program in one run: `make bench`, or `python -m bench --help`."""

from __future__ import annotations

import sys

from bench._checks import check, check_lengths
from bench._contenders import start
from bench._document import write
from bench._figures import Figures, figures_of
from bench._load import require_wrk
from bench._machine import describe
from bench._options import read_options
from bench._table import render
from bench._windows import measure


def main() -> None:
    """Check, measure, print, and write if asked to."""
    options = read_options()
    require_wrk()
    found: list[Figures] = []
    with start(options) as (contenders, place):
        machine = describe(contenders, place.cores)
        print("\n".join(machine))
        for contender in contenders:
            check(contender)
        check_lengths(contenders)
        print(f"\n{len(contenders)} servers run, and answer alike.")
        for cell in measure(contenders, options):
            for backend in options.backends:
                figures = figures_of(cell, backend)
                print(render(figures, backend, options.windows), flush=True)
                found += figures
    if options.write:
        write(found, machine, options)
    failed = sorted({f.contender.label for f in found if f.errors and f.contender.program.is_ours})
    if failed:
        sys.exit(f"Refused or broken answers from {', '.join(failed)}.")


if __name__ == "__main__":
    main()
