"""What one database was asked to do in this process: plain numbers, counted whoever looks or not.

Metrics read them. Each is a whole number or a sum of seconds that only grows.
"""

from __future__ import annotations

__all__ = ["Counts"]


class Counts:
    """The numbers of one database.

    Attributes:
        commits: COMMITs that have succeeded, each of a unit of work or of a batch of a lane.
    """

    __slots__ = ("commits",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self.commits: int = 0
