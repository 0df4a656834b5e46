"""The guide's program on a driver that costs nothing.

A measure, not a way to write a service: it has what FastAPI, an AsyncSession and the ORM take, on
whatever driver.
"""

from __future__ import annotations

import bench.programs.at_once  # noqa: F401 -- so that there is such a driver
from bench.programs.guide import app

__all__ = ["app"]
