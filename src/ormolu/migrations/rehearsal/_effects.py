"""What a statement has done, read from what there was before and after it.

Only of what was there before all revisions: a table that one of them makes is no program's yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ormolu.migrations.rehearsal._catalog import Catalog
from ormolu.migrations.rehearsal._recorder import Statement

__all__ = ["BLOCKS", "Effect", "effect_of", "held_before", "is_as_strong"]

# The modes of locks on tables, the weakest first, as the manual's table of conflicts has them.
_MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)

# Whom a mode keeps waiting, of those who read and write rows.
BLOCKS: dict[str, str] = {
    "SHARE": "writes",
    "SHARE ROW EXCLUSIVE": "writes",
    "EXCLUSIVE": "writes",
    "ACCESS EXCLUSIVE": "reads and writes",
}

_BY_SERVERS_NAME = {f"{mode.title().replace(' ', '')}Lock": mode for mode in _MODES}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a statement does to what was there.

    Attributes:
        locks: The strongest mode that it takes, by relation. ACCESS SHARE is left out, as are
            indexes of tables that are locked as much.
        held: The strongest mode that its transaction holds meanwhile, by relation.
        rewritten: The tables that it writes anew.
        scanned: The tables that it reads from their beginning.
        changed: The tables whose rows it changes or deletes, and how many of ours it did.
        losses: What is lost for good, a sentence each.
        breaks: What a program that knows the tables as they were can no longer do.
    """

    locks: Mapping[int, str]
    held: Mapping[int, str]
    rewritten: frozenset[int]
    scanned: frozenset[int]
    changed: Mapping[int, int]
    losses: tuple[str, ...]
    breaks: tuple[str, ...]

    @property
    def cost(self) -> str:
        """Return for how long it runs, in terms of rows: constant, scan, rewrite."""
        if self.rewritten:
            return "rewrite"
        return "scan" if self.scanned else "constant"


def effect_of(statement: Statement, known: frozenset[int]) -> Effect:
    """Return what a statement has done; of one that has failed that is nothing.

    Args:
        statement: What was recorded.
        known: The OIDs of what was there before all revisions.
    """
    if statement.after is None:
        return Effect(
            locks={}, held={}, rewritten=frozenset(), scanned=frozenset(), changed={}, losses=(),
            breaks=(),
        )  # fmt: skip
    before, after = statement.before.catalog, statement.after.catalog
    held = _strongest(after.locks, known)
    emptied, rewritten = _emptied(statement), _rewritten(before, after, known)
    return Effect(
        locks=_without_indexes(_taken(statement, known), before),
        held={**held, **_strongest(statement.waited_for, known)},
        # TRUNCATE takes a new file, too, and writes nothing into it.
        rewritten=frozenset(rewritten - emptied),
        scanned=frozenset(_scanned(statement, known)) - (emptied & rewritten),
        changed=_grown(before.written, after.written, known),
        losses=tuple(_losses(statement, known, emptied)),
        breaks=tuple(_breaks(before, after, known)),
    )


def held_before(statement: Statement, known: frozenset[int]) -> dict[int, str]:
    """Return the strongest mode that the transaction held before a statement, by relation."""
    return _strongest(statement.before.catalog.locks, known)


def _strongest(locks: Mapping[int, frozenset[str]], known: frozenset[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for oid, names in locks.items():
        modes = [_BY_SERVERS_NAME[name] for name in names if name in _BY_SERVERS_NAME]
        strongest = max(modes, key=_MODES.index, default=_MODES[0])
        if oid in known and strongest != _MODES[0]:
            found[oid] = strongest
    return found


def _taken(statement: Statement, known: frozenset[int]) -> dict[int, str]:
    """Return the modes that were not held before."""
    if statement.waited_for:
        return _strongest(statement.waited_for, known)
    assert statement.after is not None
    before, after = statement.before.catalog.locks, statement.after.catalog.locks
    new = {oid: names - before.get(oid, frozenset()) for oid, names in after.items()}
    return _strongest({oid: names for oid, names in new.items() if names}, known)


def _without_indexes(locks: dict[int, str], catalog: Catalog) -> dict[int, str]:
    def is_covered(oid: int) -> bool:
        index = catalog.indexes.get(oid)
        return index is not None and is_as_strong(locks.get(index.table), locks[oid])

    return {oid: mode for oid, mode in locks.items() if not is_covered(oid)}


def is_as_strong(mode: str | None, other: str) -> bool:
    """Tell whether a mode is at least as strong as another one; None is no lock."""
    return mode is not None and _MODES.index(mode) >= _MODES.index(other)


def _rewritten(before: Catalog, after: Catalog, known: frozenset[int]) -> set[int]:
    return {
        oid for oid, each in after.relations.items()
        if oid in known and each.has_rows and before.relations[oid].file != each.file
    }  # fmt: skip


def _scanned(statement: Statement, known: frozenset[int]) -> Iterator[int]:
    assert statement.after is not None
    before, after = statement.before.catalog, statement.after.catalog
    yield from _grown(before.scans, after.scans, known)
    for oid, index in after.indexes.items():
        # Its file is new: it was built from the rows, here without a transaction that counts.
        is_new = (
            oid not in before.indexes or before.relations[oid].file != after.relations[oid].file
        )
        if statement.is_alone and is_new and index.table in known:
            yield index.table


def _grown(
    before: Mapping[int, int], after: Mapping[int, int], known: frozenset[int]
) -> dict[int, int]:
    return {
        oid: count - before.get(oid, 0)
        for oid, count in after.items()
        if oid in known and count > before.get(oid, 0)
    }


def _emptied(statement: Statement) -> set[int]:
    assert statement.after is not None
    rows = statement.after.rows
    return {oid for oid, there in statement.before.rows.items() if there and rows.get(oid) == []}


def _losses(statement: Statement, known: frozenset[int], emptied: set[int]) -> Iterator[str]:
    assert statement.after is not None
    before, after = statement.before.catalog, statement.after.catalog
    for oid, table in before.relations.items():
        if oid in known and table.kind in {"r", "p"} and oid not in after.relations:
            yield f"the table {table.name} and its rows are gone"
    for place, column in before.columns.items():
        is_table_there = column.table in after.relations and column.table in known
        if is_table_there and place not in after.columns and not column.generated:
            yield f"the column {before.name(column.table)}.{column.name} and its values are gone"
    for oid, rows in statement.before.rows.items():
        left = statement.after.rows.get(oid)
        if left is not None and len(left) < len(rows):
            which = "all" if oid in emptied else "some"
            yield f"{which} rows of {after.name(oid)} are gone"
    for place, count in statement.changed.items():
        column = after.columns[place]
        if count and before.columns[place].type != column.type:
            yield (
                f"values of {after.name(column.table)}.{column.name} are others as {column.type} "
                f"than they were as {before.columns[place].type}"
            )


def _breaks(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[str]:
    for oid, table in before.relations.items():
        now = after.relations.get(oid)
        if oid not in known or table.kind in {"i", "I"}:
            continue
        if now is None:
            yield f"{table.name} is gone"
        elif now.name != table.name:
            yield f"{table.name} is now {now.name}"
    yield from _renamed_columns(before, after, known)
    yield from _required(before, after, known)
    for oid, (kind, label) in before.labels.items():
        now_label = after.labels.get(oid)
        if now_label is not None and now_label[1] != label:
            yield f"the value {label} of {kind} is now {now_label[1]}"


def _renamed_columns(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[str]:
    for place, column in before.columns.items():
        there = after.columns.get(place)
        if column.table not in known or column.table not in after.relations:
            continue
        name = f"{after.name(column.table)}.{column.name}"
        if there is None:
            yield f"{name} is gone"
        elif there.name != column.name:
            yield f"{name} is now {there.name}"


def _required(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[str]:
    """Yield new columns that an INSERT which does not know them leaves without a value."""
    for place, column in after.columns.items():
        is_given = column.default is not None or column.generated or column.identity
        is_new = column.table in known and place not in before.columns
        if is_new and column.is_required and not is_given:
            yield f"an INSERT without {after.name(column.table)}.{column.name} fails"
