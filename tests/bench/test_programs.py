"""The programs of the benchmark answer as they must, and its load asks what it means to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench._checks import check
from bench._contenders import start
from bench._load import Load
from bench._options import read_options
from bench._place import Place
from bench._processors import Cores
from bench._programs import PROGRAMS
from bench._requests import PLACE, Request
from bench._rows import rows_of
from tests.fixtures.backends import Backend

# Those that are no plain code: ours, and the floor of both.
CHECKED = ["one-statement"] + [
    name for name, each in PROGRAMS.items() if each.group == "users" and each.is_ours
]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("name", CHECKED)
def test_a_program_with_users_answers_what_is_stored(
    name: str, backend: Backend, tmp_path: Path
) -> None:
    """It reads, writes and refuses as plain code does, by the checks before a timing."""
    kind = "postgresql" if backend.is_postgresql else "sqlite"
    place = Place(Cores.choose(), tmp_path, backend.server)
    options = read_options(["--programs", name, "--backends", kind])
    try:
        with start("users", options, place) as (contender,):
            check(contender)
    finally:
        if backend.server is not None:
            backend.server.drop_database(f"{name}_{kind}".replace("-", "_"))


def test_a_request_is_filled_with_values() -> None:
    """Path, headers and body have values in their places; other braces stay."""
    pattern = Request(
        method="PATCH",
        path="/notes/{id}",
        body='{"title":"{number}"}',
        headers={"Authorization": "Bearer {token}"},
    )
    filled = pattern.fill({"id": 7, "number": 1, "token": "abc"})
    assert (filled.path, filled.body) == ("/notes/7", '{"title":"1"}')
    assert filled.all_headers == {
        "Content-Type": "application/json",
        "Authorization": "Bearer abc",
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_place_of_a_request_has_a_value_in_the_load(name: str, tmp_path: Path) -> None:
    """The script for wrk can be written for each row of each program, and leaves no place open."""
    for row in rows_of(PROGRAMS[name].group):
        script = Load(1, PROGRAMS[name].request(row), tmp_path).script().read_text()
        assert PLACE.findall(script) == []
