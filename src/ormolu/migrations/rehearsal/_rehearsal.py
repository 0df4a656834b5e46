"""Runs revisions on two throw-away copies of a database: one is empty, one has rows everywhere.

The one with rows shows what fails, what is lost and what is read; the empty one goes on where the
other one has failed, as no row breaks a rule there.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection

from ormolu.migrations._caller import Caller
from ormolu.migrations.rehearsal._acknowledgements import acceptance, comments_of
from ormolu.migrations.rehearsal._catalog import read_catalog
from ormolu.migrations.rehearsal._dangers import Danger, dangers_of
from ormolu.migrations.rehearsal._effects import BLOCKS, effect_of, held_before, is_as_strong
from ormolu.migrations.rehearsal._findings import Finding, Rehearsal
from ormolu.migrations.rehearsal._recorder import Recorder, Statement
from ormolu.migrations.rehearsal._rows import fill_tables
from ormolu.migrations.rehearsal._safer import Situation, safer_forms
from ormolu.migrations.rehearsal._scratch import Scratch, ScratchServer

__all__ = ["rehearse"]


async def rehearse(
    caller: Caller, server: ScratchServer, start: Sequence[str], pending: Sequence[Script]
) -> Rehearsal:
    """Run revisions one after the other, and tell what each statement does.

    Args:
        caller: Calls Alembic; its database is not asked.
        server: Where the copies are made.
        start: The revisions that the database has.
        pending: Those that it lacks, the first one first.
    """
    copies = await _Copies.make(caller, server, start)
    findings: list[Finding] = []
    problems: list[str] = []
    for script in pending:
        found, problem = await copies.run(script)
        findings += found
        if problem is not None:
            problems.append(problem)
            break
    else:
        problems += await copies.drift()
    return Rehearsal(
        revisions=tuple(each.revision for each in pending),
        findings=tuple(findings),
        problems=tuple(problems),
        unfilled=tuple(dict.fromkeys(copies.unfilled)),
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run of a revision on one copy."""

    statements: Sequence[Statement]
    error: Exception | None = None


@dataclass(kw_only=True)
class _Copies:
    """The two copies, at the same revision."""

    caller: Caller
    server: ScratchServer
    empty: Scratch
    filled: Scratch
    known: frozenset[int]
    unfilled: list[str]

    @classmethod
    async def make(cls, caller: Caller, server: ScratchServer, start: Sequence[str]) -> _Copies:
        empty = await server.make()
        for revision in start:
            await _call(caller, empty, partial(_upgrade, revision=revision))
        known = await _ask(empty, lambda connection: set(read_catalog(connection).relations))
        copies = cls(
            caller=caller, server=server, empty=empty, filled=empty, known=frozenset(known),
            unfilled=[],
        )  # fmt: skip
        await copies.fill()
        return copies

    async def fill(self) -> None:
        """Copy the empty one, and fill the copy with rows."""
        self.filled = await self.server.make(self.empty)
        known = set(self.known)
        self.unfilled += await _ask(self.filled, lambda connection: fill_tables(connection, known))

    async def run(self, script: Script) -> tuple[list[Finding], str | None]:
        """Run a revision, and return what was found, and why the rest cannot be run."""
        empty = await self._run_on(self.empty, script)
        filled = await self._run_on(self.filled, script)
        findings = list(_judge(script, _merged(filled, empty), self.known))
        if empty.error is not None:
            error = empty.error.__cause__ or empty.error
            return findings, f"{_title(script)} cannot be run on an empty copy: {_words(error)}"
        if filled.error is not None:
            if not filled.statements or filled.statements[-1].error is None:
                findings.append(_of_program(script, filled.error))
            await self.fill()
        return findings, None

    async def _run_on(self, copy: Scratch, script: Script) -> _Run:
        recorder = Recorder(script.path, self.known)
        try:
            await _call(
                self.caller,
                replace(copy, listen=recorder.listen),
                partial(_upgrade, revision=script.revision),
            )
        except Exception as error:
            # Whatever the code of a revision raises is what it does.
            return _Run(statements=recorder.statements, error=error)
        return _Run(statements=recorder.statements)

    async def drift(self) -> list[str]:
        """Compare the models with what the revisions have made."""
        try:
            await _call(self.caller, self.empty, command.check)
        except CommandError as error:
            return [str(error)]
        return []


def _upgrade(config: Config, *, revision: str) -> None:
    command.upgrade(config, revision)


async def _call(caller: Caller, copy: Scratch, verb: Callable[[Any], Any]) -> None:
    await replace(caller, engines=copy, is_ours=True, say=lambda _line: None).call(verb)


async def _ask(copy: Scratch, question: Callable[[Connection], Any]) -> Any:
    engine = copy.make_engine()
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(question)
    finally:
        await engine.dispose()


def _merged(filled: _Run, empty: _Run) -> list[Statement]:
    """Return what the filled copy shows up to what fails there, then what the empty one shows."""
    there = list(filled.statements)
    if filled.error is None:
        return there
    failed = there.pop() if there and there[-1].error is not None else None
    rest = list(empty.statements[len(there) :])
    if failed is None or not rest or rest[0].sql != failed.sql:
        return [*there, failed] if failed is not None else there
    # What it would have done if it had not failed.
    first = replace(rest[0], error=failed.error, code=failed.code)
    return [*there, first, *rest[1:]]


def _judge(
    script: Script, statements: Sequence[Statement], known: frozenset[int]
) -> Iterator[Finding]:
    comments = comments_of(script.path)
    taken: dict[int, int] = {}
    for statement in statements:
        effect = effect_of(statement, known)
        since = {
            oid: taken[oid]
            for oid, mode in held_before(statement, known).items()
            if mode in BLOCKS and oid in taken and is_as_strong(mode, effect.locks.get(oid, mode))
        }
        dangers = tuple(dangers_of(statement, effect, since))
        new = {oid: statement.lines[0] for oid in effect.locks if oid not in since}
        taken.update(new)
        kinds = frozenset(each.kind for each in dangers)
        situation = Situation(statement=statement, effect=effect, known=known, kinds=kinds)
        yield _finding(script, situation, dangers, acceptance(comments, statement.lines))


def _finding(
    script: Script, situation: Situation, dangers: tuple[Danger, ...], accepted: str | None
) -> Finding:
    statement, effect = situation.statement, situation.effect
    tables = effect.rewritten or effect.scanned
    return Finding(
        revision=script.revision,
        path=script.path,
        lines=statement.lines,
        sql=" ".join(statement.sql.split()),
        locks=_named(effect.locks, situation),
        cost=effect.cost,
        tables=tuple(sorted(situation.after.name(oid) for oid in tables)),
        dangers=dangers,
        safer=tuple(safer_forms(situation)),
        accepted=accepted,
    )


def _named(locks: Mapping[int, str], situation: Situation) -> dict[str, str]:
    before, after = situation.before.relations, situation.after.relations
    return {(before.get(oid) or after[oid]).name: mode for oid, mode in locks.items()}


def _of_program(script: Script, error: Exception) -> Finding:
    """Return that the Python of a revision fails where there are rows."""
    lines = [
        each.lineno or 1
        for each in traceback.extract_tb(error.__traceback__)
        if Path(each.filename) == Path(script.path)
    ]
    line = lines[-1] if lines else 1
    return Finding(
        revision=script.revision,
        path=script.path,
        lines=(line, line),
        sql="",
        dangers=(Danger(kind="fails", words=f"it fails where there are rows: {_words(error)}"),),
        accepted=acceptance(comments_of(script.path), (line, line)),
    )


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _title(script: Script) -> str:
    return f'Revision {script.revision} "{script.doc}"'
