"""What `ormolu db check` measures of each statement of known danger, all in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from ormolu import Database
from ormolu.migrations.rehearsal import Finding, Rehearsal
from tests.backends import PostgreSQL
from tests.migrations.statements import SAFE, STATEMENTS, Case

# SQLAlchemy 2.1.7 warns as it reflects a CHECK that is NOT VALID.
pytestmark = pytest.mark.filterwarnings("ignore:Can't validate argument 'dialect_options'")

CASES = {**STATEMENTS, **{f"safe_{name}": case for name, case in SAFE.items()}}

REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = {name!r}, {down!r}


def upgrade():
{body}
"""


def setup_of(name: str, case: Case) -> Iterator[str]:
    """Yield what a statement needs."""
    if "_mood" in case.table:
        yield f"CREATE TYPE {name}_mood AS ENUM ('sad', 'ok')"
    if "_mail" in case.table:
        yield f"CREATE DOMAIN {name}_mail AS text"
    yield f"CREATE TABLE {name} (id int PRIMARY KEY, {case.table.format(t=name)})"
    yield from (each.format(t=name) for each in case.more)


def statements_of(name: str, case: Case) -> list[str]:
    listed = [case.sql] if isinstance(case.sql, str) else case.sql
    return [each.format(t=name) for each in listed]


class Revisions:
    """Writes revisions that follow each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last: str | None = None
        folder.mkdir(parents=True)

    def write(self, name: str, body: str) -> None:
        source = REVISION.format(name=name, down=self.last, body=indented(body))
        (self.folder / f"{name}.py").write_text(source)
        self.last = name


def call_of(statement: str) -> str:
    return f"op.execute({statement.replace(':', chr(92) + ':')!r})"


def body_of(name: str, case: Case) -> str:
    body = "\n".join(call_of(each) for each in statements_of(name, case))
    return f"with op.get_context().autocommit_block():\n{indented(body)}" if case.is_alone else body


def indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


async def rehearsed(postgresql: PostgreSQL, driver: str, since: str | None) -> Rehearsal:
    """Run what comes after a revision; the database itself is not there."""
    url = postgresql.url("missing", driver)
    migrations = Database(url, metadata=MetaData(), migrations="migrations").migrations
    return await migrations.rehearse(postgresql.url("postgres", driver), since=since)


@pytest.fixture(scope="module")
def findings(
    postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Finding]]:
    """What was found, by the names of the cases."""
    possible = [name for name, case in CASES.items() if not case.is_impossible]
    # All tables are looked at for each statement, so these are few at a time.
    runs = [possible[start::6] for start in range(6)]
    runs += [[name] for name in CASES if name not in possible]
    found: dict[str, list[Finding]] = {}
    for run in runs:
        cases = {name: CASES[name] for name in run}
        bodies = {name: body_of(name, case) for name, case in cases.items()}
        rehearsal = rehearse_bodies(tmp_path_factory, postgresql, cases, bodies)
        for finding in rehearsal.findings:
            found.setdefault(finding.revision, []).append(finding)
        assert len(rehearsal.problems) == cases[run[0]].is_impossible
    return found


def rehearse_bodies(
    folders: pytest.TempPathFactory,
    postgresql: PostgreSQL,
    cases: Mapping[str, Case],
    bodies: Mapping[str, str],
) -> Rehearsal:
    """Make the tables of cases, and run a revision for each."""
    folder = folders.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        revisions = Revisions(folder / "migrations" / "versions")
        setup = [each for name, case in cases.items() for each in setup_of(name, case)]
        revisions.write("setup", "\n".join(map(call_of, setup)))
        for name, body in bodies.items():
            revisions.write(name, body)
        return asyncio.run(rehearsed(postgresql, "psycopg", "setup"))


@pytest.mark.parametrize("name", CASES)
def test_statement_is_measured(name: str, findings: dict[str, list[Finding]]) -> None:
    """Its locks, how long it lasts and its dangers are those of the manual; it has a safer form."""
    case, found = CASES[name], findings[name]
    last = found[-1]
    locks = {f"{name}{suffix.format(t=name)}": mode for suffix, mode in case.locks.items()}
    seen: dict[str, Any] = {"locks": dict(last.locks), "cost": last.cost}
    assert seen == {"locks": locks, "cost": case.cost}
    assert sorted(each.kind for each in last.dangers) == sorted(case.kinds.split())
    assert [each.dangers for each in found[:-1]] == [()] * (len(found) - 1)
    safer = "\n".join(f"{each.words}\n{each.code}" for each in last.safer)
    assert case.safer.format(t=name) in safer
    assert bool(safer) == bool(case.safer)


def test_safer_forms_are_safe(
    findings: dict[str, list[Finding]],
    postgresql: PostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What is to be pasted runs, and nobody waits for it; rows that break a rule still do."""
    pasted = {
        name: safer.code
        for name, found in findings.items()
        for safer in found[-1].safer[:1]
        if safer.is_whole
    }
    assert len(pasted) > 15
    cases = {name: CASES[name] for name in pasted}
    for start in range(3):
        some = dict(list(pasted.items())[start::3])
        some_cases = {name: cases[name] for name in some}
        rehearsal = rehearse_bodies(tmp_path_factory, postgresql, some_cases, some)
        assert rehearsal.problems == ()
        dangers = {
            (each.revision, danger) for each in rehearsal.findings for danger in each.dangers
            if danger.kind != "fails"
        }  # fmt: skip
        assert dangers == set()
