"""What a database error means: from the code that the server sent to one of our kinds.

Reads SQLSTATE, SQLite error names and MySQL error numbers; never exception classes, whose
meaning differs between drivers. Knows no HTTP. Measured on SQLite 3.40, PostgreSQL 18 with
asyncpg and psycopg, and MariaDB 10.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.exc import DBAPIError, StatementError

from ormolu.sqlite_codes import error_name

__all__ = ["Fault", "Kind", "attach_fault", "driver_fault", "fault_of", "is_passing", "is_unsent"]

Kind = Literal[
    "busy",
    "check_violation",
    "database_unavailable",
    "exclusion_violation",
    "forbidden",
    "foreign_key_violation",
    "internal_error",
    "invalid_value",
    "not_null_violation",
    "outcome_unknown",
    "overloaded",
    "pooler",
    "read_only_database",
    "rejected",
    "schema_mismatch",
    "storage_full",
    "timeout",
    "too_complex",
    "too_large",
    "unique_violation",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One database error, as far as the server told it.

    Attributes:
        kind: What happened, the same word on every backend.
        native: SQLSTATE, SQLite error name or MySQL error number; None if none came.
        constraint: Name of the violated constraint or unique index.
        table: Table that the error names.
        columns: Columns that the error names, in its order.
        is_referenced: Whether other rows still refer to this one, as far as the server told.
        words: What was said, where that quotes no value of a row: for the log, not for a client.
        advice: What to mend in the program, likewise; None where that is not known.
        is_unsent: Whether the driver refused a value, and has sent nothing.
        argument: The key of the refused value in the parameters of the statement, if it is told.
    """

    kind: Kind
    native: str | None = None
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    is_referenced: bool = False
    words: str | None = None
    advice: str | None = None
    is_unsent: bool = False
    argument: int | str | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether the server itself said that nothing of the transaction is stored."""
        return self.native is not None and self.kind not in _UNSETTLED

    @property
    def may_be_of_value(self) -> bool:
        """Tell whether a value of a wrong type can be its cause, which the server may not say."""
        if self.native is None:
            return self.kind in {"internal_error", "invalid_value"}
        return self.kind == "invalid_value" or self.native in _OF_TYPES

    @property
    def is_lost_race(self) -> bool:
        """Tell whether others were faster, and the same transaction may do at once."""
        return self.native in _RACES

    @property
    def spoils_connection(self) -> bool:
        """Tell whether the driver may have been stopped in the middle of something.

        Or keeps a statement whose plan is of a table that has changed.
        """
        if self.is_unsent:
            return False
        is_lost = self.kind in {"database_unavailable", "outcome_unknown"}
        is_outdated = self.native == "0A000" and self.kind == "busy"
        return is_lost or is_outdated or (self.native is None and self.kind != "invalid_value")

    def __str__(self) -> str:
        """Describe the fault without any value: kind, native code, constraint or columns, words."""
        place = self.constraint or ".".join(filter(None, (self.table, ",".join(self.columns))))
        native = f" [{self.native}]" if self.native else ""
        words = "".join(f": {each}" for each in (self.words, self.advice) if each)
        return f"{self.kind}{native}{f' on {place}' if place else ''}{words}"


_UNSETTLED: frozenset[Kind] = frozenset(
    {"database_unavailable", "internal_error", "outcome_unknown", "timeout"}
)

# What servers say of types that do not go together, and PostgreSQL of a text that is too long for
# the type of its column.
_OF_TYPES = frozenset({"42804", "42846", "42883", "54000", "4078", "4079"})

# Deadlocks, and transactions that cannot be put in an order; a savepoint is gone with them.
_RACES = frozenset({"40001", "40P01", "1020", "1213", "1305"})

# What PgBouncer says to the settings that a connection to PostgreSQL itself begins with.
_POOLER_REFUSAL = "unsupported startup parameter"

_POSTGRESQL: dict[str, Kind] = {
    "08": "database_unavailable",
    "08007": "outcome_unknown",
    "22": "invalid_value",
    "23": "check_violation",
    "23001": "foreign_key_violation",
    "23502": "not_null_violation",
    "23503": "foreign_key_violation",
    "23505": "unique_violation",
    "23P01": "exclusion_violation",
    "25006": "read_only_database",
    "25P03": "timeout",
    "25P04": "timeout",
    "26000": "pooler",
    "28": "database_unavailable",
    "3D000": "database_unavailable",
    "3F000": "schema_mismatch",
    "40": "busy",
    "40002": "check_violation",
    "40003": "outcome_unknown",
    "42": "schema_mismatch",
    "42501": "internal_error",
    "42P05": "pooler",
    "53": "overloaded",
    "53100": "storage_full",
    "54": "too_complex",
    "55": "internal_error",
    "55006": "busy",
    "55P03": "busy",
    "57": "database_unavailable",
    "57014": "timeout",
    "58": "database_unavailable",
    "P0001": "rejected",
}

_SQLITE: dict[str, Kind] = {
    "SQLITE_AUTH": "forbidden",
    "SQLITE_BUSY": "busy",
    "SQLITE_CANTOPEN": "database_unavailable",
    "SQLITE_CONSTRAINT": "check_violation",
    "SQLITE_CONSTRAINT_DATATYPE": "invalid_value",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign_key_violation",
    "SQLITE_CONSTRAINT_NOTNULL": "not_null_violation",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique_violation",
    "SQLITE_CONSTRAINT_ROWID": "unique_violation",
    "SQLITE_CONSTRAINT_TRIGGER": "rejected",
    "SQLITE_CONSTRAINT_UNIQUE": "unique_violation",
    "SQLITE_ERROR": "schema_mismatch",
    "SQLITE_FULL": "storage_full",
    "SQLITE_INTERRUPT": "timeout",
    "SQLITE_IOERR": "database_unavailable",
    "SQLITE_LOCKED": "busy",
    "SQLITE_MISMATCH": "invalid_value",
    "SQLITE_NOMEM": "overloaded",
    "SQLITE_PROTOCOL": "busy",
    "SQLITE_READONLY": "read_only_database",
    "SQLITE_SCHEMA": "busy",
    "SQLITE_TOOBIG": "too_large",
}

_MYSQL: dict[int, Kind] = {
    **dict.fromkeys((1062, 1586), "unique_violation"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "foreign_key_violation"),
    **dict.fromkeys((1048, 1364), "not_null_violation"),
    **dict.fromkeys((3819, 4025), "check_violation"),
    **dict.fromkeys(
        (1264, 1265, 1292, 1366, 1406, 1411, 1416, 1690, 3037, 3140, 3141, 1367),
        "invalid_value",
    ),
    **dict.fromkeys((1020, 1205, 1213, 3572), "busy"),
    **dict.fromkeys((1040, 1203, 1226), "overloaded"),
    **dict.fromkeys((1290, 1792, 1836), "read_only_database"),
    **dict.fromkeys((1317, 1969, 3024), "timeout"),
    **dict.fromkeys((1021, 1114), "storage_full"),
    **dict.fromkeys((1054, 1146), "schema_mismatch"),
    **dict.fromkeys(
        (0, 1044, 1045, 1047, 1049, 1927, 2002, 2003, 2006, 2013, 2055, 4031),
        "database_unavailable",
    ),
    1153: "too_large",
    1180: "outcome_unknown",
    1644: "rejected",
}  # fmt: skip

# Character sets that do not go together: of two, three, or any number of operands.
_MIXED = frozenset({1267, 1270, 1271})

# Python errors that a type or a driver raises for a value before anything is sent; a TypeError
# is the program's own mistake.
_VALUE_ERRORS = (ArithmeticError, LookupError, ValueError)

# The words of psycopg, sqlite3 and asyncpg for a value that they cannot send.
_UNSENT = re.compile(r"cannot adapt type|Error binding parameter|invalid input for query argument")

# MySQL names no table, and its keys are called after their columns.
_WRITTEN_TABLE = re.compile(
    r"\s*(?:INSERT\s+(?:\w+\s+)*INTO|UPDATE|DELETE\s+FROM)\s+(?:[`\"]?\w+[`\"]?\.)?[`\"]?(\w+)",
    re.IGNORECASE,
)

# Classes of errors without a code that a driver raises while it connects.
_NO_CONNECTION = {"ClientConfigurationError", "OperationalError", "TargetServerAttributeNotMatched"}

_ATTRIBUTE = "ormolu_fault"


def fault_of(error: BaseException) -> Fault:
    """Return the fault that `attach_fault` left on an error, else read it from the error."""
    attached = getattr(error, _ATTRIBUTE, None)
    return attached if isinstance(attached, Fault) else _read_fault(error)


def is_unsent(error: BaseException) -> bool:
    """Tell whether a driver refused a value of a statement, and has not sent it."""
    return _UNSENT.match(str(error)) is not None


def attach_fault(error: BaseException, fault: Fault) -> None:
    """Leave the fault on the error, before what it was read from is removed."""
    setattr(error, _ATTRIBUTE, fault)


def is_passing(error: BaseException) -> bool:
    """Tell whether others were in the way, and the same work may be done in a moment.

    A deadlock, a conflict of serialisable transactions, a lock that did not come free; nothing of
    the transaction is stored.
    """
    return fault_of(error).kind == "busy"


def _read_fault(error: BaseException) -> Fault:
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return _read_value_error(error.orig)
    if not isinstance(error, DBAPIError):
        return _read_value_error(error)
    driver = _driver_error(error)
    fault = driver_fault(driver) or Fault(kind=_guess_kind(error, driver))
    fault = replace(fault, is_unsent=is_unsent(driver))
    written = _WRITTEN_TABLE.match(error.statement or "")
    return replace(fault, table=written[1]) if written and fault.table is None else fault


def _driver_error(error: DBAPIError) -> BaseException:
    try:
        return error.driver_exception
    except ValueError:
        # SQLAlchemy's own: its dialect of asyncpg looks for changed plans itself.
        assert error.orig is not None
        return error.orig


def _guess_kind(error: DBAPIError, driver: BaseException) -> Kind:
    """Read an error without a code, which the driver raised before it asked the server."""
    names = {kind.__name__ for kind in type(driver).__mro__}
    if "InvalidCachedStatementError" in names:
        return "busy"
    # asyncpg's InterfaceError "connection is closed", its refusal of an option of the URL (a
    # ValueError too, as if a client had sent it), and psycopg's refused connection.
    if error.connection_invalidated or names & _NO_CONNECTION:
        return "pooler" if _POOLER_REFUSAL in str(driver) else "database_unavailable"
    # psycopg's DataError for a NUL in a text, asyncmy's and aiomysql's refusal of NaN.
    is_refused = "DataError" in names or "can not be used with" in str(driver)
    if is_refused or isinstance(driver, _VALUE_ERRORS):
        return "invalid_value"
    return "internal_error"


def _read_value_error(error: BaseException | None) -> Fault:
    return Fault(kind="invalid_value" if isinstance(error, _VALUE_ERRORS) else "internal_error")


def driver_fault(driver: BaseException) -> Fault | None:
    """Return the fault in a driver's own error; None if the server gave no code."""
    sqlite_name = error_name(driver)
    if sqlite_name is not None:
        return _read_sqlite(sqlite_name, str(driver))
    # Before SQLSTATE: asyncmy gives one too, far coarser than its number.
    if len(driver.args) > 1 and isinstance(driver.args[0], int):
        return _read_mysql(driver.args[0], str(driver.args[1]))
    sqlstate = getattr(driver, "sqlstate", None)
    if sqlstate is not None:
        return _read_postgresql(str(sqlstate), driver)
    return None


def _read_postgresql(sqlstate: str, driver: BaseException) -> Fault:
    report = getattr(driver, "diag", driver)
    kind = _POSTGRESQL.get(sqlstate) or _POSTGRESQL.get(sqlstate[:2], "internal_error")
    if sqlstate == "42501" and "row-level security" in str(driver):
        kind = "forbidden"
    if sqlstate == "08P01" and _POOLER_REFUSAL in str(driver):
        kind = "pooler"
    if sqlstate == "0A000" and "cached" in str(driver):
        # A table was changed under a prepared statement, which its driver now prepares anew.
        kind = "busy"
    if sqlstate == "42601" and not _is_of_statement(report):
        kind = "invalid_value"
    detail = getattr(report, "message_detail", None) or getattr(report, "detail", None) or ""
    column = getattr(report, "column_name", None) or _mistyped(sqlstate, driver)
    key = re.match(r"Key \((.+?)\)=\(", detail)
    return Fault(
        kind=kind,
        native=sqlstate,
        constraint=getattr(report, "constraint_name", None),
        table=getattr(report, "table_name", None),
        columns=(column,) if column else _split_names(key[1]) if key else (),
        is_referenced=sqlstate == "23001" or "is still referenced" in detail,
    )


def _is_of_statement(report: Any) -> bool:
    """Tell whether PostgreSQL, or a function in it, could not read a statement.

    Of what it reads from a value, a query of words say, it tells no position.
    """
    names = ("position", "statement_position", "internal_position", "internal_query")
    told = [getattr(report, name) for name in names if hasattr(report, name)]
    return not told or any(told)


def _mistyped(sqlstate: str, driver: BaseException) -> str | None:
    """Return the column that PostgreSQL names in the text alone, as far as that is English."""
    found = re.search(r'column "([^"]+)" is of type', str(driver)) if sqlstate == "42804" else None
    return found[1] if found else None


def _split_names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"`') for name in listed.split(","))


def _read_sqlite(name: str, message: str) -> Fault:
    kind = _SQLITE.get(name) or _SQLITE.get("_".join(name.split("_")[:2]), "internal_error")
    named = re.match(r"([A-Z ]+) constraint failed: (.+)", message)
    if named is None or kind == "rejected":
        return Fault(kind=kind, native=name)
    place = named[2]
    index = re.fullmatch(r"index '(.+)'", place)
    if index or named[1] == "CHECK":
        return Fault(kind=kind, native=name, constraint=index[1] if index else place)
    pairs = [part.rpartition(".") for part in place.split(", ")]
    return Fault(
        kind=kind, native=name, table=pairs[0][0], columns=tuple(column for _, _, column in pairs)
    )


def _read_mysql(number: int, message: str) -> Fault:
    # The server's own names stand at the end of the message; values may stand before them.
    key = re.search(r" for key '([^']+)'\Z", message)
    constraint = re.search(r"CONSTRAINT `([^`]+)`", message)
    column = re.search(
        r"(?:[Cc]olumn|Field) (?:`\w+`\.`\w+`\.)?['`](\w+)['`]"
        r"(?: at row \d+| cannot be null| doesn't have a default value)\Z",
        message,
    )
    foreign = re.search(r"FOREIGN KEY \(([^)]+)\)", message)
    name = key[1].rpartition(".")[2] if key else constraint[1] if constraint else None
    kind = _MYSQL.get(number, "internal_error")
    if number == 1305 and message.startswith("SAVEPOINT"):
        # A deadlock has rolled the whole transaction back, and its savepoints with it.
        kind = "busy"
    # MariaDB's own check of a JSON column; infinities that it takes for the names of columns.
    is_json = number == 4025 and name is not None and "." in name
    is_endless = number == 1054 and re.search(r" '(?:Infinity|s?NaN|infe0)' ", message)
    # A value with letters that the character set of the column beside it does not have.
    is_foreign = number in _MIXED and ("COERCIBLE" in message or "operation 'in'" in message)
    if is_json or is_endless or is_foreign:
        kind = "invalid_value"
    return Fault(
        kind=kind,
        native=str(number),
        constraint=name,
        columns=_split_names(foreign[1]) if foreign else (column[1],) if column else (),
        is_referenced=number in {1217, 1451},
    )
