"""Types that refuse values, each at another moment and in a way of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Integer, String
from sqlalchemy.types import TypeDecorator, UserDefinedType

__all__ = ["Even", "Own", "Picky"]


class Even(TypeDecorator[int]):
    """Refuses odd numbers, and has no word for anything but numbers."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value % 2:
            message = f"{value} is odd"
            raise ValueError(message)
        return value.numerator


class Picky(TypeDecorator[str]):
    """Refuses on the database's own dialect alone what is no number."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        # What checks a client's value first is the dialect of SQLAlchemy's, not of ours.
        return value if value is None or dialect.driver == "pysqlite" else str(int(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)


class Own(UserDefinedType[Any]):
    """A type of the database's, of whose values SQLAlchemy knows nothing."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_options: Any) -> str:
        return self.spec
