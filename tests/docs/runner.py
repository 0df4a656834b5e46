"""Run programs, each in a process of its own, forked from one that has imported what they import.

`python -m tests.docs.runner` reads a line of JSON for each: the file with the program, and the
folder that it runs in, where it leaves what it says in `said`. It answers with the exit code.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import types
import warnings
from pathlib import Path

# To import them takes a second, which each program would spend again.
_IMPORTED = ("fastapi.testclient", "ormolu", "ormolu.resources", "sqlalchemy.ext.asyncio")


def main() -> None:
    """Answer each line, until there are no more; in a child, run the program and end with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _IMPORTED:
            importlib.import_module(name)
    # Each child would look through all of it once more as it ends.
    gc.freeze()
    for line in sys.stdin:
        program, folder = json.loads(line)
        child = os.fork()
        if not child:
            run(Path(program).read_text(), folder)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(source: str, folder: str) -> None:
    """Run a program as `python -c` does, in its folder."""
    os.chdir(folder)
    with open("said", "wb") as said, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    exec(compile(source, "<sample>", "exec"), vars(module))


if __name__ == "__main__":
    main()
