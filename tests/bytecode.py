"""Where the compiled modules of those programs are that tests start."""

from __future__ import annotations

import os
import sys

__all__ = ["keep_bytecode"]


def keep_bytecode() -> None:
    """Let what is compiled be kept, beside the environment, where Python is told not to keep it.

    As in many containers. Each of the programs that tests start would compile all libraries anew,
    for longer than it then runs.
    """
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode, sys.pycache_prefix = False, os.path.join(sys.prefix, "pycache")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
