"""The codes that no test server can be made to send: every row of the three tables."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, StatementError

from ormolu import faults
from ormolu.faults import Fault, fault_of
from ormolu.web._problems import STATUSES

# Codes that mean one thing, the kind, and the HTTP status.
POSTGRESQL = [
    ("23505", "unique_violation", 409),
    ("23P01", "exclusion_violation", 409),
    ("23503 23001", "foreign_key_violation", 409),
    ("23502", "not_null_violation", 422),
    ("23514 23000 40002", "check_violation", 422),
    (
        "22000 22001 22003 22007 22008 22012 22021 22023 22025 2201B 2201W 2201X 22P02 22P03 22P05"
        " 22032",
        "invalid_value",
        422,
    ),
    ("21000 25P02 0A000 55000 55P02 XX000 XX001", "internal_error", 500),
    ("25006", "read_only_database", 503),
    ("25P03 25P04 57014", "timeout", 504),
    ("26000 42P05", "pooler", 500),
    ("28000 28P01 3D000", "database_unavailable", 503),
    ("40001 40P01 40000 55006 55P03", "busy", 503),
    ("40003 08007", "outcome_unknown", 503),
    ("42501", "internal_error", 500),
    ("3F000 42P01 42703 42883 42601 42804 42P18", "schema_mismatch", 500),
    ("53100", "storage_full", 507),
    ("53000 53200 53300 53400", "overloaded", 503),
    ("54000 54001", "too_complex", 422),
    (
        "08000 08001 08003 08004 08006 57P01 57P02 57P03 57P05 58000 58030",
        "database_unavailable",
        503,
    ),
    ("P0001", "rejected", 422),
    ("P0002 ZZZZZ", "internal_error", 500),
]

SQLITE = [
    ("CONSTRAINT_UNIQUE CONSTRAINT_PRIMARYKEY CONSTRAINT_ROWID", "unique_violation", 409),
    ("CONSTRAINT_FOREIGNKEY", "foreign_key_violation", 409),
    ("CONSTRAINT_NOTNULL", "not_null_violation", 422),
    ("CONSTRAINT CONSTRAINT_CHECK CONSTRAINT_VTAB", "check_violation", 422),
    ("CONSTRAINT_DATATYPE MISMATCH", "invalid_value", 422),
    ("CONSTRAINT_TRIGGER", "rejected", 422),
    (
        "BUSY BUSY_RECOVERY BUSY_SNAPSHOT BUSY_TIMEOUT LOCKED LOCKED_SHAREDCACHE SCHEMA PROTOCOL",
        "busy",
        503,
    ),
    ("INTERRUPT", "timeout", 504),
    ("FULL", "storage_full", 507),
    ("TOOBIG", "too_large", 413),
    ("READONLY READONLY_DBMOVED", "read_only_database", 503),
    ("CANTOPEN CANTOPEN_ISDIR IOERR IOERR_FSYNC", "database_unavailable", 503),
    ("NOMEM", "overloaded", 503),
    ("CORRUPT CORRUPT_INDEX NOTADB MISUSE", "internal_error", 500),
    ("AUTH", "forbidden", 403),
    ("ERROR", "schema_mismatch", 500),
]

MYSQL = [
    ("1062 1586", "unique_violation", 409),
    ("1216 1217 1451 1452", "foreign_key_violation", 409),
    ("1048 1364", "not_null_violation", 422),
    ("3819 4025", "check_violation", 422),
    ("1264 1265 1292 1366 1367 1406 1411 1416 1690 3037 3140 3141", "invalid_value", 422),
    ("1020 1205 1213 3572", "busy", 503),
    ("1180", "outcome_unknown", 503),
    ("1040 1203 1226", "overloaded", 503),
    ("1290 1792 1836", "read_only_database", 503),
    ("1317 1969 3024", "timeout", 504),
    ("1153", "too_large", 413),
    ("1021 1114", "storage_full", 507),
    (
        "0 1044 1045 1047 1049 1927 2002 2003 2006 2013 2055 4031",
        "database_unavailable",
        503,
    ),
    ("1142 1143 1064 9999", "internal_error", 500),
    ("1054 1146", "schema_mismatch", 500),
    ("1644", "rejected", 422),
]


class DriverError(Exception):
    """What a driver raises, with the attributes that it would have."""

    def __init__(self, *args: object, **attributes: Any) -> None:
        super().__init__(*args)
        self.__dict__.update(attributes)


class OperationalError(Exception):
    """As drivers call what went wrong outside the program."""


class DataError(Exception):
    """As drivers call a value that they refuse."""


def read(error: Exception, statement: str = "SELECT 1", *, is_lost: bool = False) -> Fault:
    """Return the fault of a driver's error, wrapped as SQLAlchemy wraps it."""
    return fault_of(DBAPIError(statement, None, error, connection_invalidated=is_lost))


def rows(table: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return one row per code."""
    return [(code, kind, status) for codes, kind, status in table for code in codes.split()]


@pytest.mark.parametrize(("code", "kind", "status"), rows(POSTGRESQL))
def test_sqlstate(code: str, kind: str, status: int) -> None:
    """A SQLSTATE, or else its class, has one kind and one status."""
    fault = read(DriverError("text", sqlstate=code))
    assert (fault.kind, fault.native, STATUSES[fault.kind]) == (kind, code, status)


@pytest.mark.parametrize(("position", "kind"), [("8", "schema_mismatch"), (None, "invalid_value")])
def test_a_syntax_error_in_no_statement_is_one_in_a_value(position: Any, kind: str) -> None:
    """PostgreSQL tells the position of one in a statement."""
    assert read(DriverError("text", sqlstate="42601", position=position)).kind == kind


@pytest.mark.parametrize(("code", "kind", "status"), rows(SQLITE))
def test_sqlite_name(code: str, kind: str, status: int) -> None:
    """A SQLite error name, or else its first word, has one kind and one status."""
    fault = read(DriverError("text", sqlite_errorname=f"SQLITE_{code}"))
    assert (fault.kind, STATUSES[fault.kind]) == (kind, status)


@pytest.mark.parametrize(("code", "kind", "status"), rows(MYSQL))
def test_mysql_number(code: str, kind: str, status: int) -> None:
    """A MySQL error number has one kind and one status, whatever SQLSTATE stands beside it."""
    fault = read(DriverError(int(code), "text", sqlstate="23000"))
    assert (fault.kind, fault.native, STATUSES[fault.kind]) == (kind, code, status)


def test_tables_are_complete() -> None:
    """No code of the package is left out above."""
    sqlstates = {code for code, _, _ in rows(POSTGRESQL)}
    assert all(any(s.startswith(code) for s in sqlstates) for code in faults._POSTGRESQL)
    assert set(faults._SQLITE) <= {f"SQLITE_{code}" for code, _, _ in rows(SQLITE)}
    assert set(faults._MYSQL) <= {int(code) for code, _, _ in rows(MYSQL)}


def test_row_level_security_is_403() -> None:
    """A missing privilege is the operator's mistake, a refused row the client's."""
    text = 'new row violates row-level security policy for table "users"'
    fault = read(DriverError(text, sqlstate="42501"))
    assert (fault.kind, STATUSES[fault.kind]) == ("forbidden", 403)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OperationalError("connection refused"), "database_unavailable"),
        (DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), "invalid_value"),
        (DriverError("nan can not be used with MySQL"), "invalid_value"),
        (OverflowError("Python int too large to convert to SQLite INTEGER"), "invalid_value"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "invalid_value"),
        (DriverError("cannot adapt type 'dict'"), "internal_error"),
    ],
)
def test_error_without_a_code(error: Exception, kind: str) -> None:
    """What a driver refuses before it asks the server is told by what little there is."""
    assert read(error).kind == kind


def test_lost_connection_without_a_code() -> None:
    """A connection that SQLAlchemy has found broken is an unavailable database."""
    assert read(DriverError("connection is closed"), is_lost=True).kind == "database_unavailable"


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ValueError("x"), "invalid_value"), (LookupError("x"), "invalid_value"),
     (TypeError("x"), "internal_error")],
)  # fmt: skip
def test_value_that_a_type_refuses(error: Exception, kind: str) -> None:
    """A type's ValueError is about the value, its TypeError about the program."""
    assert fault_of(StatementError("text", "SELECT 1", None, error)).kind == kind


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError("x"), "invalid_value"), (OSError("x"), "internal_error")]
)
def test_error_that_is_not_sqlalchemys(error: Exception, kind: str) -> None:
    """An error that no statement raised has a kind too."""
    assert fault_of(error).kind == kind


def test_savepoint_that_a_deadlock_took() -> None:
    """ROLLBACK TO it fails after a deadlock: try again; a missing procedure is a fault."""
    lost = DriverError(1305, "SAVEPOINT sa_savepoint_1 does not exist")
    assert read(lost).kind == "busy"
    assert read(DriverError(1305, "PROCEDURE x.y does not exist")).kind == "internal_error"


_UNIQUE = "Duplicate entry 'column 'evil' at row 1' for key '{}'"
_FOREIGN = (
    "Cannot {} row: a foreign key constraint fails (`x`.`orders`, CONSTRAINT `fk_orders` "
    "FOREIGN KEY (`user_id`, `b`) REFERENCES `users` (`id`, `b`))"
)


@pytest.mark.parametrize(
    ("number", "message", "expected"),
    [
        (1062, _UNIQUE.format("uq_users"), {"constraint": "uq_users"}),
        (1062, _UNIQUE.format("users.uq_users"), {"constraint": "uq_users"}),
        (1048, "Column 'email' cannot be null", {"columns": ("email",)}),
        (1364, "Field 'email' doesn't have a default value", {"columns": ("email",)}),
        (1406, "Data too long for column 'nick' at row 1", {"columns": ("nick",)}),
        (
            1366,
            "Incorrect value: 'column 'evil' at row 1' for column `x`.`users`.`age` at row 1",
            {"columns": ("age",)},
        ),
        (1366, "Incorrect integer value: 'column 'evil' at row 1' for a reason", {}),
        (4025, "CONSTRAINT `ck_users_age` failed for `x`.`users`", {"constraint": "ck_users_age"}),
        (
            1452,
            _FOREIGN.format("add or update a child"),
            {"constraint": "fk_orders", "columns": ("user_id", "b")},
        ),
        (
            1451,
            _FOREIGN.format("delete or update a parent"),
            {"constraint": "fk_orders", "columns": ("user_id", "b"), "is_referenced": True},
        ),
    ],
)
def test_mysql_place(number: int, message: str, expected: dict[str, Any]) -> None:
    """Constraint and columns are the server's words, never part of a value."""
    fault = read(DriverError(number, message))
    assert fault == Fault(kind=fault.kind, native=str(number), **expected)


_MIX = "Illegal mix of collations"


@pytest.mark.parametrize(
    ("number", "message", "kind"),
    [
        (1267, f"{_MIX} (a,IMPLICIT) and (b,COERCIBLE) for operation '='", "invalid_value"),
        (1271, f"{_MIX} for operation 'in'", "invalid_value"),
        (1267, f"{_MIX} (a,IMPLICIT) and (b,IMPLICIT) for operation '='", "internal_error"),
        (1271, f"{_MIX} for operation 'coalesce'", "internal_error"),
    ],
)
def test_letters_that_a_column_cannot_hold_are_the_client_s(
    number: int, message: str, kind: str
) -> None:
    """Two columns that cannot be compared are the program's mistake."""
    assert read(DriverError(number, message)).kind == kind


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("UNIQUE", "UNIQUE constraint failed: users.a, users.b", ("users", ("a", "b"), None)),
        ("UNIQUE", "UNIQUE constraint failed: index 'ix_lower'", (None, (), "ix_lower")),
        ("NOTNULL", "NOT NULL constraint failed: users.email", ("users", ("email",), None)),
        ("CHECK", "CHECK constraint failed: ck_users_age", (None, (), "ck_users_age")),
        ("FOREIGNKEY", "FOREIGN KEY constraint failed", (None, (), None)),
        ("TRIGGER", "UNIQUE constraint failed: users.evil", (None, (), None)),
    ],
)
def test_sqlite_place(name: str, message: str, expected: tuple[Any, ...]) -> None:
    """Constraint and columns are read from SQLite's own messages, not from a trigger's."""
    fault = read(DriverError(message, sqlite_errorname=f"SQLITE_CONSTRAINT_{name}"))
    assert (fault.table, fault.columns, fault.constraint) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (id) VALUES (1)",
        "INSERT INTO `users`(id) VALUES (1)",
        'INSERT INTO "shop"."users" (id) VALUES (1)',
        "insert or ignore into users values (1)",
        "UPDATE users SET id=1",
        "DELETE FROM shop.users WHERE id=1",
    ],
)
def test_table_from_the_statement(statement: str) -> None:
    """Where the server names no table, the statement does."""
    assert read(DriverError(1062, "x"), statement).table == "users"


def test_named_table_wins_over_the_statement() -> None:
    """A cascade may fail in another table than the statement's."""
    error = DriverError("x", sqlstate="23503", table_name="orders", detail="Key (a, b)=(1, 2) ...")
    fault = read(error, "DELETE FROM users")
    assert (fault.table, fault.columns) == ("orders", ("a", "b"))
