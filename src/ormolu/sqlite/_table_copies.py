"""Tables that Alembic alters by copying them: no row of another table is lost by it.

SQLite cannot alter most of a table. Alembic's batch mode copies its rows into a table named
`_alembic_tmp_...`, drops the table and renames the copy. With foreign keys on, that DROP deletes
the rows that refer to the table; and triggers go with it. Lives in the connection's thread.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ormolu.sqlite._calls import Call
from ormolu.sqlite._transaction import Transaction

__all__ = ["TableCopies", "copies_tables"]

_T = TypeVar("_T")

_PREFIX = "_alembic_tmp_"
_COPY = re.compile(rf"""\s*CREATE\s+TABLE\s+"?{_PREFIX}""", re.IGNORECASE)
_DROP = re.compile(r"""\s*DROP\s+TABLE\s+(?:"([^"]+)"|(\w+))""", re.IGNORECASE)
_RENAME = re.compile(rf"""\s*ALTER\s+TABLE\s+"?{_PREFIX}.*\sRENAME\s+TO\s""", re.IGNORECASE)

# Alembic makes indexes anew; those of expressions it does not see, as SQLAlchemy does not.
_LOST = """
SELECT sql FROM sqlite_schema AS made WHERE tbl_name = ? COLLATE NOCASE AND (type = 'trigger' OR
type = 'index' AND EXISTS (SELECT 1 FROM pragma_index_xinfo(made.name) WHERE cid = -2))
"""

_REFUSED = (
    "DROP TABLE {0}: rows of {1} refer to it, and would be deleted or changed with it. Foreign "
    "keys can only be held off from the beginning of a transaction, and this one has written: run "
    "`ormolu db upgrade`, which holds them off; or give the batch of {0} a revision of its own; or "
    "let Alembic connect with ?foreign_keys=off"
)
_VIOLATED = (
    "FOREIGN KEY constraint failed: the migration leaves rows of {} that refer to no row of {}"
)


class TableCopies:
    """What one connection has to keep while tables are copied.

    Attributes:
        has_effects: Whether something happened in this transaction that must not be rolled back.
    """

    def __init__(self, dbapi: Any, transaction: Transaction) -> None:
        self.has_effects = False
        self._dbapi = dbapi
        self._transaction = transaction
        self._violations: Counter[tuple[str, str]] | None = None
        self._lost: list[str] = []

    @property
    def are_unchecked(self) -> bool:
        """Tell whether foreign keys are held off."""
        return self._violations is not None

    def run(self, sql: str, call: Call, run: Callable[[], _T]) -> _T:
        """Run one of the statements that copy a table, or one that looks like it.

        Raises:
            Exception: It would delete rows of another table, or has failed.
        """
        if _COPY.match(sql):
            self._hold_off(call)
        elif dropped := _DROP.match(sql):
            self._keep_what_is_lost(dropped[1] or dropped[2])
        if _RENAME.match(sql) is None:
            return run()
        # Else SQLite refuses where a view names the table, which is not there right now.
        self._execute("PRAGMA legacy_alter_table=1")
        try:
            result = run()
        finally:
            self._execute("PRAGMA legacy_alter_table=0")
        while self._lost:
            self._execute(self._lost.pop())
        return result

    def check(self) -> None:
        """Refuse a COMMIT after which a foreign key leads nowhere that did not before.

        Raises:
            Exception: There is one; the transaction is still open.
        """
        for child, parent in self._found() - (self._violations or Counter()):
            error = self._dbapi.IntegrityError(_VIOLATED.format(child, parent))
            error.sqlite_errorname = "SQLITE_CONSTRAINT_FOREIGNKEY"
            raise error

    def tidy(self) -> None:
        """Check foreign keys again, once the transaction is over."""
        if self._transaction.is_open:
            return
        self.has_effects = False
        if self._violations is not None:
            self._violations = None
            # A ROLLBACK that failed has closed the connection.
            with suppress(self._dbapi.Error):
                self._execute("PRAGMA foreign_keys=1")

    def _hold_off(self, call: Call) -> None:
        """Begin the transaction anew without foreign keys: so far it has only read."""
        is_checked = self._execute("PRAGMA foreign_keys").fetchone()[0]
        if not is_checked or self.has_effects or self._transaction.is_autocommit:
            return
        if self._transaction.is_begun:
            self._transaction.take_back_begin(call)
        self._execute("PRAGMA foreign_keys=0")
        self._violations = self._found()

    def _keep_what_is_lost(self, table: str) -> None:
        # Alembic cuts the name of a copy.
        copy = f"{_PREFIX}{table}"[:50]
        if self._execute("SELECT 1 FROM sqlite_schema WHERE name = ?", copy).fetchone() is None:
            return
        if self._execute("PRAGMA foreign_keys").fetchone()[0]:
            self._refuse_losses(table)
        self._lost = [row[0] for row in self._execute(_LOST, table)]

    def _refuse_losses(self, table: str) -> None:
        children = """
        SELECT child.name, child_key."from" FROM sqlite_schema AS child
        JOIN pragma_foreign_key_list(child.name) AS child_key
        WHERE child.type = 'table' AND child_key."table" = ? COLLATE NOCASE
        """
        for child, column in self._execute(children, table).fetchall():
            name, key = (each.replace('"', '""') for each in (child, column))
            rows = f'SELECT 1 FROM "{name}" WHERE "{key}" IS NOT NULL LIMIT 1'
            if self._execute(rows).fetchone():
                error = self._dbapi.OperationalError(_REFUSED.format(table, child))
                error.sqlite_errorname = "SQLITE_ERROR"
                raise error

    def _found(self) -> Counter[tuple[str, str]]:
        return Counter((row[0], row[2]) for row in self._execute("PRAGMA foreign_key_check"))

    def _execute(self, sql: str, *values: str) -> Any:
        return self._transaction.sqlite.execute(sql, values)


def copies_tables(sql: str) -> bool:
    """Tell whether a statement that writes may be one of those that copy a table."""
    return _PREFIX in sql or "DROP TABLE" in sql
