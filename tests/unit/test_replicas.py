"""Positions in a log, lag by our own clock, and which URLs may be replicas; no server."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from ormolu import ConfigurationError, Database
from ormolu.backends import BACKENDS
from ormolu.engines import later_of, read_position, write_position
from ormolu.engines._positions import BEYOND, NOTHING, covers
from ormolu.engines._replica import Primary
from ormolu.web._tokens import Tokens

_POSITIONS = st.dictionaries(
    st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), min_size=1, max_size=8
)


@pytest.mark.long
@given(_POSITIONS)
def test_position_is_read_as_it_was_written(position: dict[int, int]) -> None:
    """As text of digits and two marks, which a cookie may have."""
    text = write_position(position)
    assert set(text) <= set("0123456789-_")
    assert read_position(text) == position


@pytest.mark.long
@given(_POSITIONS, _POSITIONS)
def test_later_position_has_all_of_both(first: dict[int, int], second: dict[int, int]) -> None:
    """And nothing is behind nothing."""
    later = later_of(first, second)
    assert covers(later, first)
    assert covers(later, second)
    assert covers(NOTHING, NOTHING)


@pytest.mark.long
@given(st.text())
def test_text_that_is_no_position_is_beyond_all(text: str) -> None:
    """Whatever it is: no replica has it, and no error comes of it."""
    position = read_position(text)
    assert position == BEYOND or write_position(position) is not None
    assert not covers({0: 2**64}, BEYOND)
    assert read_position(write_position(BEYOND)) == BEYOND


def test_answers_of_servers() -> None:
    """PostgreSQL's number, and MariaDB's GTIDs of several domains, or of none."""
    assert BACKENDS["postgresql"].read_place("23942424") == {0: 23942424}
    assert BACKENDS["mariadb"].read_place("0-1-100,7-2-5") == {0: 100, 7: 5}
    assert BACKENDS["mariadb"].read_place("") == {}


def test_lag_is_how_long_the_primary_has_been_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of this process; none while nobody writes."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    primary = Primary()
    for seconds, number in ((0, 10), (1, 20), (1.01, 21), (3, 30)):
        now = 100.0 + seconds
        primary.note({0: number})
    primary.note(None)
    now = 110.0
    assert [primary.seconds_since({0: number}) for number in (9, 10, 20, 21, 30)] == [
        10.0, 9.0, 7.0, 7.0, 0.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "replicas", "message"),
    [
        ("sqlite://", ["sqlite:///b.db"], "one file"),
        ("mysql://a/b", ["mysql://c/b"], "For MariaDB write mariadb://"),
        ("postgresql://a/b", ["postgresql+psycopg://c/b"], "the same driver for both"),
        ("postgresql://a/b", "postgresql://c/b", r"replicas=\[url\]"),
    ],
)
def test_refused_replicas(url: str, replicas: list[str], message: str) -> None:
    """The sentence says what to write instead."""
    with pytest.raises(ConfigurationError, match=message):
        Database(url, replicas=replicas)


@pytest.mark.parametrize(
    "option",
    [{"replica_wait": -0.1}, {"replica_wait": 2}, {"replica_lag": 0}, {"replica_lag": 1e9}],
)
def test_refused_options(option: dict[str, float]) -> None:
    """Values that nobody means."""
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        Database("sqlite://", **option)  # type: ignore[arg-type]


def test_database_without_replicas_has_no_tokens() -> None:
    """Nothing is around its gate."""
    url = "postgresql://a/b"
    kinds: list[list[object]] = []
    for replicas in ([], ["postgresql://c/b"]):
        app = FastAPI()
        Database(url, replicas=replicas).attach(app)
        kinds.append([each.cls for each in app.user_middleware])
    assert Tokens not in kinds[0]
    assert Tokens in kinds[1]
