"""How long statements take, for those who want to know: the slow log, metrics, a request's span.

Nothing is timed where nobody does. Knows no database and no web framework: of a request it has
what tells its route.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["REQUEST", "RequestTimes", "Stopwatch", "shape_of"]

_log = logging.getLogger("ormolu.slow")

# Lines a second: in an outage every statement is slow, and must not fill the disk.
_MOST_LINES = 10

# Characters of a statement that are logged, and of one that is looked through for values.
_LONGEST = 1000
_LONGEST_READ = 20_000

# Looked for at once: what is in quotes is no comment, and the other way round. What has no end goes
# to the end of the statement.
_COMMENT = r"(?P<comment>/\*.*?(?:\*/|\Z)|--[^\n]*)"
_NUMBER = r"(?P<number>(?<![\w$%:@])[+-]?\d[\w.]*)"
_BACKQUOTED = r"(?P<name>`[^`]*(?:`|\Z)"
# A backslash is one, but in E'...'; texts stand between dollars, too.
_PARTS = re.compile(
    rf"{_COMMENT}|(?P<text>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z)"
    rf"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))"
    rf"|{_BACKQUOTED}|\"[^\"]*(?:\"|\Z))|{_NUMBER}",
    re.DOTALL,
)
# Of MySQL's, whose sessions read backslashes.
_PARTS_OF_MYSQL = re.compile(
    rf"{_COMMENT}|(?P<hash>\#[^\n]*)"
    r"|(?P<text>'(?:[^'\\]|\\.|'')*(?:'|\Z)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|\Z))"
    rf"|{_BACKQUOTED})|{_NUMBER}",
    re.DOTALL,
)
_SHOWN = {"comment": " ", "hash": " ", "number": "?", "text": "?"}
# Of placeholders: three and more are as many as there happen to be.
_ONE = r"(?:\?|%s|%\(\w+\)s|[:$]\w+)(?:::[\w ]+)?"
_LISTS = re.compile(rf"\(\s*({_ONE})(?:\s*,\s*{_ONE}){{2,}}\s*\)")
_BLANKS = re.compile(r"\s+")
_WORD = re.compile(r"(?:[\s(]|/\*.*?\*/|--[^\n]*\n)*+(\w+)", re.DOTALL)


class RequestTimes:
    """What one request has spent on statements.

    Attributes:
        scope: Of it, in which its route is once it has one.
        door: The route whose door it was shown to.
        statements: How many were sent for it.
        seconds: How long it waited for these.
        queued: Seconds in line for a connection since the last statement.
    """

    __slots__ = ("_span", "door", "queued", "scope", "seconds", "statements")

    def __init__(self, scope: Mapping[str, Any], door: str | None = None, span: Any = None) -> None:
        """Begin with nothing.

        Args:
            scope: See the attribute.
            door: See the attribute.
            span: Of OpenTelemetry's; None if the request has none.
        """
        self.scope: Mapping[str, Any] = scope
        self.door: str | None = door
        self._span = span
        self.statements: int = 0
        self.seconds: float = 0.0
        self.queued: float = 0.0

    def add(self, seconds: float) -> None:
        """Add a statement, and tell the span."""
        self.statements += 1
        self.seconds += seconds
        if self._span is not None and self._span.is_recording():
            self._span.set_attribute("ormolu.statements", self.statements)
            self._span.set_attribute("ormolu.statements.duration", self.seconds)

    @property
    def route(self) -> str:
        """Return its method and route: a path may hold values."""
        path = getattr(self.scope.get("route"), "path", None)
        if path is None and self.door is not None:
            return self.door
        return f"{self.scope['method']} {path or '?'}"


# That of the task; None where nobody wants to know, or no request is served.
REQUEST: ContextVar[RequestTimes | None] = ContextVar("ormolu_request_times", default=None)


class Stopwatch:
    """Is told how long each statement of one database took."""

    def __init__(
        self,
        slow: float | None,
        record: Callable[[float, str], None] | None = None,
        *,
        quotes_names: bool = True,
    ) -> None:
        """Have no statement yet.

        Args:
            slow: Seconds, the line for the connection included, from which on one is logged.
            record: Is called with the seconds and the first word of each.
            quotes_names: Whether what is in double quotes is a name, and no text.
        """
        self._slow = slow
        self._record = record
        self._quotes_names = quotes_names
        self._second = 0
        self._lines = self._left_out = 0

    def note(
        self, sql: str, seconds: float, request: RequestTimes | None = None, queued: float = 0.0
    ) -> None:
        """Note a statement of the request of this task, or of one that a lane worked for.

        Args:
            sql: Its text.
            seconds: How long it took.
            request: That of a lane's; None for the task's own.
            queued: Seconds that it waited in the lane.
        """
        request = request or REQUEST.get()
        if request is not None:
            queued, request.queued = queued + request.queued, 0.0
            request.add(seconds + queued)
        if self._record is not None:
            self._record(seconds, _first_word(sql))
        if self._slow is not None and seconds + queued >= self._slow:
            self._log(sql, seconds, queued, request)

    def _log(self, sql: str, seconds: float, queued: float, request: RequestTimes | None) -> None:
        second = int(time.monotonic())
        if second != self._second:
            if self._left_out:
                _log.warning("%s more slow statements are not shown.", self._left_out)
            self._second, self._lines, self._left_out = second, 0, 0
        if self._lines >= _MOST_LINES:
            self._left_out += 1
            return
        self._lines += 1
        route = "outside of requests" if request is None else request.route
        shape = shape_of(sql, quotes_names=self._quotes_names)
        _log.warning("%s: %.3f s, and %.3f s in line before: %s", route, seconds, queued, shape)


def _first_word(sql: str) -> str:
    """Return what a statement does; a comment before it may hold a value."""
    found = _WORD.match(sql)
    return "" if found is None else found[1].upper()[:20]


def shape_of(sql: str, *, quotes_names: bool = True) -> str:
    """Return a statement without what may be a value, on one line."""

    def replaced(found: re.Match[str]) -> str:
        return _SHOWN.get(found.lastgroup or "", found[0])

    parts = _PARTS if quotes_names else _PARTS_OF_MYSQL
    text = parts.sub(replaced, sql[:_LONGEST_READ])
    text = _LISTS.sub(r"(\1, ...)", text)
    text = _BLANKS.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
