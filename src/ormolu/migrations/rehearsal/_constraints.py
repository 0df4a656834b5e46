"""The safer forms of indexes, constraints and NOT NULL: made beside readers and writers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ormolu.migrations.rehearsal._catalog import Catalog, Constraint, Index
from ormolu.migrations.rehearsal._pasted import Safer, alone, execute

__all__ = ["made_constraints", "made_indexes", "required_columns"]


def made_indexes(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[Safer]:
    """Yield how to make each new index that no constraint has made."""
    of_constraints = {each.index for each in after.constraints.values()}
    for oid, index in after.indexes.items():
        is_new = oid not in before.indexes and oid not in of_constraints
        # An index that a change of a column has made anew keeps its definition.
        is_rebuilt = any(each.name == index.name for each in before.indexes.values())
        relation = after.relations[oid]
        if is_new and not is_rebuilt and index.table in known and relation.parent is None:
            yield _of_partitions(after, index) if relation.kind == "I" else _beside(index)


def _beside(index: Index) -> Safer:
    words = "Beside readers and writers; one that fails leaves an invalid index to drop:"
    if index.is_unique:
        words = f"Find what is there twice before. {words}"
    return Safer(words=words, code=alone(execute(_concurrent(index.definition))), is_whole=True)


def _of_partitions(after: Catalog, index: Index) -> Safer:
    """Return an index of the parent alone, that is valid when each partition has its own."""
    only = index.definition.replace(" ON ", " ON ONLY ", 1).replace("ONLY ONLY", "ONLY")
    code = [execute(only)]
    parts = [each for each in after.relations.values() if each.parent == index.table]
    for number, part in enumerate(parts, 1):
        name = f"{index.name.strip(chr(34))}_{number}"
        own = re.sub(r" INDEX \S+ ON (?:ONLY )?\S+", f" INDEX {name} ON {part.name}", only)
        code.append(alone(execute(_concurrent(own))))
        code.append(execute(f"ALTER INDEX {index.name} ATTACH PARTITION {name}"))
    return Safer(
        words="On the parent alone, then beside the users of each partition:",
        code="\n".join(code),
        is_whole=True,
    )


def _concurrent(definition: str) -> str:
    return re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX CONCURRENTLY ", definition)


def made_constraints(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[Safer]:
    """Yield how to make each new constraint."""
    # One that a change of a column has made anew keeps its table and its name.
    there = {(each.table, each.domain, each.name) for each in before.constraints.values()}
    for constraint in after.constraints.values():
        is_theirs = constraint.table in known or constraint.domain is not None
        is_new = (constraint.table, constraint.domain, constraint.name) not in there
        if not is_new or not is_theirs or constraint.parent:
            continue
        if constraint.kind in {"c", "f"}:
            yield _validated(after, constraint)
        elif constraint.kind in {"u", "p"} and constraint.index not in before.indexes:
            yield _by_index(before, after, constraint)
        elif constraint.kind == "x":
            yield Safer(
                words="No exclusion constraint is made beside writers. Let the program refuse such "
                "rows first, mend those that are there, and add it when nobody needs the table.",
            )


def _validated(after: Catalog, constraint: Constraint) -> Safer:
    rule = constraint.definition.removesuffix(" NOT VALID")
    if constraint.domain:
        return Safer(
            words="New values keep it at once. VALIDATE CONSTRAINT keeps the writers of all its "
            "tables waiting, too: run that when nobody needs them, or never.",
            code=execute(
                f"ALTER DOMAIN {constraint.domain} ADD CONSTRAINT {constraint.name} {rule} "
                "NOT VALID"
            ),
            is_whole=True,
        )
    table = after.name(constraint.table)
    return Safer(
        words="New rows keep it at once; those that are there are read beside readers and writers:",
        code="\n".join([
            execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint.name} {rule} NOT VALID"),
            alone(execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint.name}")),
        ]),
        is_whole=True,
    )  # fmt: skip


def _by_index(before: Catalog, after: Catalog, constraint: Constraint) -> Safer:
    table, index = after.name(constraint.table), after.indexes[constraint.index]
    kind = "UNIQUE" if constraint.kind == "u" else "PRIMARY KEY"
    words = "Find what is there twice before. The index is made beside readers and writers:"
    required = [
        each.name for each in before.columns_of(constraint.table)
        if kind == "PRIMARY KEY" and not each.is_required
        and each.number in (constraint.columns or ())
    ]  # fmt: skip
    steps = [_required(table, name) for name in required]
    return Safer(
        words=words,
        code="\n".join([
            *steps,
            alone(execute(_concurrent(index.definition))),
            execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint.name} {kind} USING INDEX "
                    f"{index.name.rpartition('.')[2]}"),
        ]),
        is_whole=True,
    )  # fmt: skip


def required_columns(before: Catalog, after: Catalog, known: frozenset[int]) -> Iterator[Safer]:
    """Yield how to make each column NOT NULL that was not."""
    # A primary key makes its columns so.
    keys = {
        (each.table, number)
        for oid, each in after.constraints.items()
        if each.kind == "p" and oid not in before.constraints
        for number in each.columns or ()
    }
    for place, column in after.columns.items():
        old = before.columns.get(place)
        is_new = old is not None and not old.is_required and column.is_required
        if is_new and column.table in known and place not in keys:
            yield Safer(
                words="Fill the NULLs in batches before. A CHECK is validated beside readers and "
                "writers, and spares SET NOT NULL the reading:",
                code=_required(after.name(column.table), column.name),
                is_whole=True,
            )


def _required(table: str, column: str) -> str:
    check = f"{column.strip(chr(34))}_not_null_check"
    return "\n".join([
        execute(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT "
                "VALID"),
        alone(execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")),
        execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"),
        execute(f"ALTER TABLE {table} DROP CONSTRAINT {check}"),
    ])  # fmt: skip
