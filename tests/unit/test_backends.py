"""What stands for each database, and for any other."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Dialect, MetaData, Table
from sqlalchemy.dialects import registry

from ormolu.backends import BACKENDS, Backend, backend_named, backend_of

NAMES = sorted(BACKENDS)


def dialect_of(name: str) -> Dialect:
    dialect: Dialect = registry.load(name)()
    return dialect


def test_dialects_have_their_backends() -> None:
    """A dialect has the backend of its name, and all that are not known have one together."""
    assert backend_of(dialect_of("postgresql")) is backend_named("postgresql")
    assert backend_of(dialect_of("sqlite")) is not backend_of(dialect_of("postgresql"))
    assert backend_of(dialect_of("oracle")) is backend_of(dialect_of("mssql"))
    assert type(backend_of(dialect_of("oracle"))) is Backend


@pytest.mark.parametrize("name", NAMES)
def test_backends_say_what_any_has(name: str) -> None:
    """A backend has no public name that any other database has not: nobody would read it."""
    own = {each for each in vars(type(BACKENDS[name])) if not each.startswith("_")}
    assert own <= set(dir(Backend))


def test_values_are_described() -> None:
    """The docstring tells of each value, and of no other."""
    values = {name for name in Backend.__annotations__ if not name.startswith("_")}
    assert set(re.findall(r"^        (\w+): ", str(Backend.__doc__), re.MULTILINE)) == values


def test_any_other_is_left_alone() -> None:
    """Nothing is assumed of a database that nobody knows."""
    other, dialect = Backend(), dialect_of("oracle")
    other.prepare(dialect)
    assert not other.session_statements(5.0, is_reader=True)
    assert other.reset_after("SET x = 1") is None
    assert not other.leaves_no_trace("SET x = 1")
    assert not list(other.warnings_of(Table("t", MetaData()), []))
    assert other.how_to_add_schema('"a"').endswith('Run: CREATE DATABASE "a"')


@pytest.mark.parametrize("name", [*NAMES, "oracle"])
def test_what_a_set_leaves_is_known_of_any(name: str) -> None:
    """SAVEPOINTs leave nothing on a connection of any database, and temporary tables do."""
    assert backend_named(name).leaves_no_trace("SAVEPOINT a")
    assert not backend_named(name).leaves_no_trace("CREATE TEMPORARY TABLE t (id INTEGER)")
