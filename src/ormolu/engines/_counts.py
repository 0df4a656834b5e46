"""What one database was asked to do in this process: plain numbers, counted whoever looks or not.

Metrics read them. Each is a whole number, or a sum of seconds, that only grows.
"""

from __future__ import annotations

__all__ = ["BatchCounts", "Counts"]


class BatchCounts:
    """The numbers of the lanes of one kind.

    Attributes:
        batches: How often something was sent.
        statements: How many statements of requests that was.
        queued: Seconds that the first of each batch has waited.
        refusals: How many had to go, since their turn did not come in time.
    """

    __slots__ = ("batches", "queued", "refusals", "statements")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.batches: int = 0
        self.statements: int = 0
        self.queued: float = 0.0
        self.refusals: int = 0


class Counts:
    """The numbers of one database.

    Attributes:
        reads: Units of work that only read, and whose session was asked for.
        writes: Those that may write.
        commits: COMMITs that have succeeded, each of a unit of work or of a batch of a lane.
        retries: How often one was run again, since others were in its way.
        refusals: How many waited for a connection in vain.
        deadlines: Requests that were cancelled since their time was over.
        departures: Requests that were cancelled since their client had left.
        lane_reads: Those of the lanes that read.
        lane_writes: Those of the lanes that write.
    """

    __slots__ = (
        "commits", "deadlines", "departures", "lane_reads", "lane_writes", "reads", "refusals",
        "retries", "writes",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin with nothing."""
        self.reads: int = 0
        self.writes: int = 0
        self.commits: int = 0
        self.retries: int = 0
        self.refusals: int = 0
        self.deadlines: int = 0
        self.departures: int = 0
        self.lane_reads: BatchCounts = BatchCounts()
        self.lane_writes: BatchCounts = BatchCounts()
