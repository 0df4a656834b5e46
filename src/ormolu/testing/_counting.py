"""Counts statements, and says which line of the program sends them, and which again and again.

Those of sessions, of lanes and of connections past SQLAlchemy; the program goes the ways that it
goes without being counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ormolu.taps import TAPS
from ormolu.testing._places import own_place

__all__ = ["SentStatement", "Statements", "assert_statements", "count_statements"]

_ENDS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "BEGIN")
_LONGEST = 160
_LANE = "a lane of Ormolu's, for requests of resources"


@dataclass(frozen=True)
class SentStatement:
    """One statement.

    Attributes:
        sql: Its text, without values.
        place: Which line of the program sent it, and in which function.
    """

    sql: str
    place: str


class Statements(list[SentStatement]):
    """The statements that were sent within a block, in their order."""

    @property
    def repeated(self) -> dict[SentStatement, int]:
        """Return those that one line has sent more than once, and how often."""
        return {each: count for each, count in Counter(self).items() if count > 1}

    def report(self) -> str:
        """Return what was sent, by line: first what was sent most often."""
        lines = [f"{len(self)} statements were sent:"]
        for each, count in Counter(self).most_common():
            lines.append(f"  {count} x {_shortened(each.sql)}")
            lines.append(f"      by {each.place}")
            if count > 1 and each.sql.lstrip().upper().startswith("SELECT"):
                lines.append(f"      N+1: {count} queries where one will do. {_ADVICE}")
        return "\n".join(lines)

    def note(self, sql: str, times: int) -> None:
        """Note a statement, unless it is about a transaction."""
        if not sql.lstrip().upper().startswith(_ENDS):
            self.extend([SentStatement(sql, own_place() or _LANE)] * times)


_ADVICE = (
    "Load what belongs to the objects with them, `.options(selectinload(Model.relation))`, or all "
    "at once, `.where(Model.id.in_(ids))`."
)


@contextmanager
def count_statements() -> Iterator[Statements]:
    """Count the statements that are sent within the block, by whatever task or thread."""
    statements = Statements()
    TAPS.append(statements)
    try:
        yield statements
    finally:
        # By identity: lists that are equal are not the same.
        TAPS[:] = [each for each in TAPS if each is not statements]


@contextmanager
def assert_statements(at_most: int) -> Iterator[Statements]:
    """Fail if more statements are sent within the block, and say which lines send them.

    Raises:
        AssertionError: There were more.
    """
    with count_statements() as statements:
        yield statements
    if len(statements) > at_most:
        message = f"At most {at_most} were expected. {statements.report()}"
        raise AssertionError(message)


def _shortened(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
