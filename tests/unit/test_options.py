"""The options of a database."""

from typing import Any

import pytest

from ormolu import ConfigurationError, Database


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pool_size", 0),
        ("pool_timeout", 0),
        ("pool_timeout", 61),
        ("max_overflow", -1),
        ("connect_timeout", 0),
        ("lock_timeout", 61),
        ("lock_timeout", float("nan")),
        ("pooler", "session"),
    ],
)
def test_impossible_option_is_refused(option: str, value: Any) -> None:
    """An impossible value is an error that names the option and the value."""
    with pytest.raises(ConfigurationError, match=option) as error:
        Database("sqlite://", **{option: value})
    assert str(value) in str(error.value)
    assert "write" in str(error.value)


def test_repr_hides_the_password() -> None:
    """Nobody sees the password of a database that is printed."""
    database = Database("postgresql://me:secret@host/name")
    assert "secret" not in repr(database)
    assert "secret" not in str(database.url)
