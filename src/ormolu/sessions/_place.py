"""Which server a session reads from: a replica that has what its client knows, or the primary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ormolu.engines import Choice, EnginePair, Replica, Replicas

__all__ = ["Place"]


class Place:
    """Where the connections of one session that only reads come from.

    Attributes:
        replica: The server of its connection; None if that is the primary, or if there is none.
    """

    def __init__(self, replicas: Replicas | None, primary: EnginePair) -> None:
        assert replicas is not None
        self.replica: Replica | None = None
        self._replicas = replicas
        self._primary = primary
        self._choice = Choice()

    async def take(
        self, take: Callable[[EnginePair], Awaitable[None]], release: Callable[[], Awaitable[None]]
    ) -> None:
        """Take a connection.

        Args:
            take: Takes one of a server.
            release: Gives it back.
        """
        while True:
            self.replica = replica = await self._replicas.choose(self._choice)
            if replica is None:
                await take(self._primary)
                return
            falls = replica.falls
            try:
                await take(replica.pair)
            except Exception as error:
                if not self.leave(error):
                    raise
            else:
                if replica.falls == falls:
                    return
                # A new connection has shown it: the server has less than it had.
                await release()

    def leave(self, error: Exception) -> bool:
        """Tell whether another server may do what a replica has failed to do; it comes next."""
        replica, self.replica = self.replica, None
        return replica is not None and self._replicas.leave(replica, error, self._choice)
