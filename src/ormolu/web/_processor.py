"""How much of the processor this process takes: of what one thread of Python at a time can get."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

__all__ = ["ProcessorUse"]

# Seconds over which it is measured, at least.
_SPAN = 0.04

# Of the control group of a container, https://docs.kernel.org/admin-guide/cgroup-v2.html
_LIMIT_FILE = Path("/sys/fs/cgroup/cpu.max")


class ProcessorUse:
    """What the process has taken lately.

    Attributes:
        share: Of the time that one thread of Python at a time can get: 1 for all.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._at = self._used = 0.0

    def look(self, now: float) -> None:
        """Measure anew, if the last time is long enough ago."""
        passed = now - self._at
        if passed >= _SPAN:
            used = time.process_time()
            self.share = (used - self._used) / (passed * _processors())
            self._at, self._used = now, used


@cache
def _processors() -> float:
    """Return 1, or the part of a processor that a container's limit leaves."""
    try:
        quota, period = _LIMIT_FILE.read_text().split()
        return min(1.0, float(quota) / float(period))
    except (OSError, ValueError):
        # No such limit: the quota is "max", or this is another system.
        return 1.0
