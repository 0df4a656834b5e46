"""Which effects of a statement are dangers, and what each means for those who use the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ormolu.migrations.rehearsal._catalog import Catalog
from ormolu.migrations.rehearsal._effects import BLOCKS, Effect
from ormolu.migrations.rehearsal._recorder import Statement

__all__ = ["Danger", "DangerKind", "dangers_of"]

# blocks: others wait for as long as rows are read or written. held: likewise, for the lock of a
# statement before. rows: all changed rows stay locked. fails: on tables with rows. loses: values.
# breaks: the program that runs meanwhile.
DangerKind = Literal["blocks", "held", "rows", "fails", "loses", "breaks"]


@dataclass(frozen=True, kw_only=True)
class Danger:
    """One danger of a statement.

    Attributes:
        kind: Which one.
        words: What happens, a sentence.
    """

    kind: DangerKind
    words: str


def dangers_of(statement: Statement, effect: Effect, since: Mapping[int, int]) -> Iterator[Danger]:
    """Yield the dangers of a statement.

    Args:
        statement: What was recorded.
        effect: What it has done.
        since: The line of the statement before that has taken a lock which is still held.
    """
    if statement.error is not None:
        yield Danger(kind="fails", words=f"it fails: {statement.error}")
    if statement.after is not None:
        yield from _waits(statement.after.catalog, effect, since)
        yield from _row_locks(statement, effect)
    if effect.losses:
        yield Danger(kind="loses", words=f"{_and(effect.losses)}.")
    if effect.breaks:
        yield Danger(
            kind="breaks", words=f"a program that still runs is broken: {_and(effect.breaks)}."
        )


def _waits(catalog: Catalog, effect: Effect, since: Mapping[int, int]) -> Iterator[Danger]:
    """Yield locks that are held for as long as rows are read or written."""
    if effect.cost == "constant":
        return
    work = _work(catalog, effect)
    own = {oid: mode for oid, mode in effect.held.items() if oid not in since}
    for kind, locks in (("blocks", own), ("held", {o: effect.held[o] for o in since})):
        waiting = [
            f"{BLOCKS[mode]} of {_name(catalog, oid)}" for oid, mode in locks.items()
            if mode in BLOCKS
        ]  # fmt: skip
        if not waiting:
            continue
        if kind == "blocks":
            yield Danger(kind="blocks", words=f"{_and(waiting)} wait while it {work}.")
        else:
            lines = _and(sorted({f"line {since[oid]}" for oid in locks}))
            words = f"{_and(waiting)} wait since {lines}, in the same transaction, while it {work}."
            yield Danger(kind="held", words=words)


def _work(catalog: Catalog, effect: Effect) -> str:
    if effect.rewritten:
        return f"writes {_and(_name(catalog, oid) for oid in effect.rewritten)} anew"
    return f"reads all of {_and(_name(catalog, oid) for oid in effect.scanned)}"


def _row_locks(statement: Statement, effect: Effect) -> Iterator[Danger]:
    assert statement.after is not None
    # A batch locks few rows, for as long as itself.
    is_batch = statement.is_alone and "LIMIT" in statement.sql.upper()
    tables = [oid for oid in effect.changed if oid in effect.scanned]
    if tables and not is_batch:
        names = _and(_name(statement.after.catalog, oid) for oid in tables)
        yield Danger(
            kind="rows",
            words=f"it finds the rows of {names} that it changes by reading all, and keeps "
            "each of them locked until the COMMIT: writers wait for them.",
        )


def _name(catalog: Catalog, oid: int) -> str:
    relation = catalog.relations.get(oid)
    return "a dropped table" if relation is None else relation.name


def _and(words: Iterable[str]) -> str:
    listed = list(words)
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1])))
