"""A request and its answer, through one run of the application or several.

While nothing was sent and nothing is stored, the request can be run again: then its scope is as it
was, its body comes again, and it has another unit of work. Knows no route but by its mark.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ormolu.sessions import Repeats, UnitOfWork
from ormolu.transactions import is_committed
from ormolu.web._door import Body
from ormolu.web._privacy import tell_caches
from ormolu.web._retry import may_be_marked, repeats_of
from ormolu.web._units import STORED_KEY, units_of
from ormolu.web._watch import WATCH_KEY, Watch

__all__ = ["EXCHANGE_KEY", "DiscardedError", "Exchange", "is_run_again", "tries_of"]

EXCHANGE_KEY = "ormolu.exchange"

# Bytes of a body that are kept for another run; FastAPI writes larger files to the disk.
_MOST_KEPT = 1024 * 1024


class DiscardedError(Exception):
    """A run of a request is thrown away; for whoever would go on with its answer."""


class Exchange:
    """One request, at one gate.

    Attributes:
        unit: The unit of work of the run.
        failure: Why nothing of the run's answer was sent.
        is_discarded: Whether the request is to be run again for that.
        is_outermost: Whether no other gate is around this one, which alone could do that.
        repeats: Its runs, once one has failed.
        keeps: Whether each body is kept: the requests of all routes are run again.
    """

    unit: UnitOfWork

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, body: Body | None, *, keeps: bool
    ) -> None:
        """Look at the scope before anything is put into it.

        Args:
            scope: Of the request.
            receive: Its body, as it comes.
            send: Sends the answer.
            body: What has come of the body.
            keeps: See the attribute.
        """
        self.failure: Exception | None = None
        self.is_discarded = False
        self._outer: Exchange | None = scope.get(EXCHANGE_KEY)
        self.is_outermost = self._outer is None
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body = body
        self.keeps = keeps
        self._replayed: Receive | None = None
        self._is_lost = False
        self._is_last = False
        self._allowed: BaseException | None = None
        self._has_begun = False
        self._watch: Watch = scope[WATCH_KEY]
        # Around the whole request, as where middleware asks again after an error.
        self._handled = sys.exception()
        self._began_at = time.monotonic()
        self.repeats: Repeats | None = None
        if self._outer is not None:
            self._outer.keeps = self._outer.keeps or keeps
        else:
            self._before = dict(scope)
            self._endpoint = scope.get("endpoint")
            found = [each for each in scope.values() if isinstance(each, dict)]
            self._within: list[tuple[dict[Any, Any], dict[Any, Any]]]
            self._within = [(each, dict(each)) for each in found]
            scope[EXCHANGE_KEY] = self

    @property
    def tries(self) -> int:
        """Return how often the request was run."""
        return 1 if self.repeats is None else self.repeats.tries

    async def receive(self) -> Message:
        """Return the next part of the body, and keep it where the route may be run again."""
        if self._replayed is None:
            self._replayed = self._begin_receiving()
        return await self._replayed()

    def _begin_receiving(self) -> Receive:
        if self._outer is None:
            endpoint = self._scope.get("endpoint")
            # Before the request has a route, a door of another gate may ask for its body.
            if self.keeps or endpoint is self._endpoint or may_be_marked(endpoint):
                self._body = self._body or Body(self._receive)
                return self._body.replay(most=_MOST_KEPT)
        if self._body is not None:
            return self._body.replay()
        self._is_lost = True
        return self._receive

    def _most_repeats(self) -> int:
        return repeats_of(self._scope.get("endpoint"), units_of(self._scope))

    async def send(self, message: Message) -> None:
        """End the unit of work before the first message, then pass the message on.

        Raises:
            DiscardedError: The request is to be run again.
            Exception: The COMMIT failed; background tasks and the rest of the answer must not run.
        """
        if self.failure is not None:
            if self.is_discarded:
                raise DiscardedError from self.failure
            return
        if message["type"] == "http.response.start":
            self._watch.settle()
            if not self.unit.is_over:
                await self._end(message["status"])
            if self.repeats is not None:
                # Others wait for this request, whose unit of work is over.
                self.repeats.end()
            tell_caches(self._scope, message)
            self._has_begun = True
        await self._send(message)

    async def _end(self, status: int) -> None:
        if not is_committed(status):
            # Whoever answers an error does it while it is handled.
            error = sys.exception()
            await self.unit.rollback()
            if error is self._handled or not isinstance(error, Exception):
                return
            if self.allows(error):
                self.failure, self.is_discarded = error, True
                raise DiscardedError from error
            return
        try:
            await self.unit.commit()
        except Exception as error:
            self.failure, self.is_discarded = error, self.allows(error)
            raise

    async def takes(self, error: Exception) -> bool:
        """Tell whether an error that the application has raised goes no further."""
        if self.failure is not None:
            # Only what the stack above made of that.
            return True
        if isinstance(error, ClientDisconnect):
            await self._end_for_nobody()
            return True
        if self._outer is None and isinstance(error, DiscardedError):
            assert isinstance(error.__cause__, Exception)
            self.failure, self.is_discarded = error.__cause__, True
        elif self.allows(error):
            self.failure, self.is_discarded = error, True
        return self.is_discarded

    async def _end_for_nobody(self) -> None:
        """Answer a client that went away while its body came, as FastAPI does: with 400.

        No error of the program's, which a server would log; but middleware waits for an answer.
        """
        if not self._has_begun:
            response = Response(status_code=400)
            await response(self._scope, self._receive, self.send)

    def allows(self, error: BaseException) -> bool:
        """Tell whether the request may be run again after an error."""
        if self._outer is not None:
            return self._outer.allows(error)
        if error is self._allowed:
            # Said once; time goes by until the answer to it comes.
            return True
        is_spent = self._is_lost or (self._body is not None and self._body.is_spent)
        if self._has_begun or self._is_last or is_spent:
            return False
        if self.repeats is None:
            self.repeats = Repeats(self._began_at)
        if not self.repeats.allow(error, self._most_repeats()):
            return False
        units = units_of(self._scope).values()
        if STORED_KEY in self._scope or any(each.may_have_stored for each in units):
            return False
        self._allowed = error
        return True

    async def begin_again(self) -> bool:
        """Wait a moment, and make everything as it was; return False if the client has left.

        Raises:
            DiscardedError: The gate around this one has to run the request.
        """
        if self._outer is not None:
            raise DiscardedError from self.failure
        assert self.repeats is not None
        self._body = self._body or Body(self._receive)
        self._watch.resume()
        self._is_last = await self._body.is_abandoned(self.repeats.pause(), most=_MOST_KEPT)
        if self._is_last:
            return False
        await self.repeats.begin(list(units_of(self._scope)), id(self._scope.get("endpoint")))
        self.failure, self.is_discarded, self._replayed = None, False, None
        self._allowed = None
        self._restore()
        return True

    def _restore(self) -> None:
        self._scope.clear()
        self._scope.update(self._before)
        self._scope[EXCHANGE_KEY] = self
        for each, before in self._within:
            # A session in a cookie is sent again where it was touched.
            if each.keys() != before.keys() or any(each[key] is not before[key] for key in each):
                each.clear()
                each.update(before)


def is_run_again(scope: Scope, error: BaseException) -> bool:
    """Tell whether a request is to be run again after an error that is about to be answered."""
    exchange: Exchange | None = scope.get(EXCHANGE_KEY)
    return exchange is not None and exchange.allows(error)


def tries_of(scope: Scope) -> int:
    """Return how often a request was run."""
    exchange: Exchange | None = scope.get(EXCHANGE_KEY)
    return 1 if exchange is None else exchange.tries
