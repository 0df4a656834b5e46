"""The safer form of a dangerous statement, to paste into the revision in its place.

Made of what has changed in the catalog, not of the statement's text, so that it does not matter how
it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ormolu.migrations.rehearsal._catalog import Catalog, Column
from ormolu.migrations.rehearsal._constraints import (
    made_constraints,
    made_indexes,
    required_columns,
)
from ormolu.migrations.rehearsal._effects import Effect
from ormolu.migrations.rehearsal._pasted import Safer, alone, execute
from ormolu.migrations.rehearsal._recorder import Statement

__all__ = ["Situation", "safer_forms"]

_CANNOT_WITHIN, _UNCOMMITTED_VALUE = "25001", "55P04"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A statement with all that is known of it.

    Attributes:
        statement: What was recorded.
        effect: What it has done.
        known: The OIDs of what was there before all revisions.
        kinds: The kinds of its dangers.
    """

    statement: Statement
    effect: Effect
    known: frozenset[int]
    kinds: frozenset[str]

    @property
    def before(self) -> Catalog:
        """Return what there was."""
        return self.statement.before.catalog

    @property
    def after(self) -> Catalog:
        """Return what there is, if it did not fail."""
        return (self.statement.after or self.statement.before).catalog


def safer_forms(situation: Situation) -> list[Safer]:
    """Return what to write instead, the most specific first; nothing where all is well."""
    forms = [each for form in _FORMS for each in form(situation)]
    if not forms and situation.kinds:
        forms = list(_any_other(situation))
    return list(dict.fromkeys(forms))


def _outside(situation: Situation) -> Iterator[Safer]:
    if situation.statement.code == _CANNOT_WITHIN:
        yield Safer(
            words="It runs outside of a transaction:", code=alone(execute(situation.statement.sql))
        )
    if situation.statement.code == _UNCOMMITTED_VALUE:
        yield Safer(
            words="A new value of an enumeration can be used after its COMMIT; add it so:",
            code=alone(execute("ALTER TYPE ... ADD VALUE ...")),
        )


def _catalog_forms(situation: Situation) -> Iterator[Safer]:
    before, after, known = situation.before, situation.after, situation.known
    is_slow = situation.effect.cost != "constant"
    if is_slow and not situation.statement.is_alone:
        yield from made_indexes(before, after, known)
    if is_slow or "fails" in situation.kinds:
        yield from made_constraints(before, after, known)
        yield from required_columns(before, after, known)


def _columns(situation: Situation) -> Iterator[Safer]:
    before, after = situation.before, situation.after
    for place, column in after.columns.items():
        old = before.columns.get(place)
        table = column.table
        if table not in situation.known or old == column:
            continue
        name = after.name(table)
        if old is None and table in situation.effect.rewritten:
            yield _filled_later(name, column)
        elif old is None and column.is_required and column.default is None:
            if not (column.generated or column.identity):
                yield _with_default(name, column.name, column.type)
        elif old is not None and old.type != column.type and situation.effect.cost != "constant":
            yield _other_type(name, column.name, column.type)


def _filled_later(table: str, new: Column) -> Safer:
    if new.generated:
        return Safer(
            words="No form of a stored computed column spares the table. PostgreSQL 18 computes it "
            "when it is read (Computed(..., persisted=False)); else take a plain column that the "
            "program, or a trigger, fills.",
        )
    column, value = new.name, new.default
    code = [execute(f"ALTER TABLE {table} ADD COLUMN {column} {new.type}")]
    if new.identity or "nextval(" in (value or ""):
        sequence = f"{table.strip(chr(34))}_{column.strip(chr(34))}_numbers"
        value = f"nextval('{sequence}')"
        code.append(execute(f"CREATE SEQUENCE {sequence}"))
    code.append(execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {value}"))
    code.append(batches(table, f"{column} = DEFAULT", f"{column} IS NULL"))
    return Safer(
        words="Add it empty, set its default for new rows, fill the old ones in batches, and only "
        "then make it NOT NULL (by a CHECK that is validated):",
        code="\n".join(code),
        is_whole=True,
    )


def _with_default(table: str, column: str, kind: str) -> Safer:
    return Safer(
        words="With a constant default it takes no time, and programs that do not know the column "
        "still insert; drop the default when no such program runs any more:",
        code=execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} DEFAULT '...' NOT NULL"),
    )


def _other_type(table: str, column: str, kind: str) -> Safer:
    new = f"{column.strip(chr(34))}_new"
    return Safer(
        words="Expand and contract: a second column that the program writes too, filled in "
        f"batches, read from the next release on; a later revision drops {column}.",
        code="\n".join([
            execute(f"ALTER TABLE {table} ADD COLUMN {new} {kind}"),
            batches(table, f"{new} = CAST({column} AS {kind})", f"{new} IS NULL AND {column} "
                    "IS NOT NULL"),
        ]),
        is_whole=True,
    )  # fmt: skip


def batches(table: str, change: str, left: str) -> str:
    """Return a loop that changes a thousand rows at a time, each in a transaction of its own."""
    statement = (
        f"UPDATE {table} SET {change} WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM {table} WHERE {left} LIMIT 1000))"
    )
    call = execute(statement).replace("op.execute(", "sa.text(", 1)
    return alone(f"while op.get_bind().execute({call}).rowcount:\n    pass")


def _dropped(situation: Situation) -> Iterator[Safer]:
    breaks = " ".join(situation.effect.breaks)
    if " is gone" in breaks:
        yield Safer(
            words="Contract last: a release that neither reads nor writes it (a mapped column "
            "deferred, then unmapped), then this revision, with a backup, and accepted here:",
            code="# ormolu: accepted, no release since ... uses it",
        )
    if " is now " in breaks:
        yield Safer(
            words="Expand and contract instead of a rename: add the new name, let the program "
            "write both, copy in batches, read the new one, drop the old one in a later revision. "
            "Of a table, a view with the old name serves programs that still run:",
            code=execute("CREATE VIEW <old name> AS SELECT * FROM <new name>"),
        )


def _relations(situation: Situation) -> Iterator[Safer]:
    yield from _indexes(situation)
    yield from _partitions(situation)
    before, after = situation.before, situation.after
    for oid in situation.effect.rewritten:
        name, old, new = after.name(oid), before.relations[oid], after.relations[oid]
        if new.kind == "m":
            yield Safer(
                words="With a unique index it is refreshed beside its readers:",
                code=execute(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {name}"),
            )
        elif old.persistence != new.persistence:
            yield Safer(
                words=f"No form spares the table: make a second one that is so from the beginning, "
                f"copy {name} in batches, and swap their names in one short transaction.",
            )
        elif not _has_other_columns(situation, oid):
            yield Safer(
                words="Nothing of the table is changed by writing it anew. Plain VACUUM blocks "
                f"nobody; pg_repack orders and shrinks {name} beside its users.",
                code=alone(execute(f"VACUUM {name}")),
            )


def _has_other_columns(situation: Situation, oid: int) -> bool:
    old, new = (list(each.columns_of(oid)) for each in (situation.before, situation.after))
    return old != new


def _indexes(situation: Situation) -> Iterator[Safer]:
    before, after = situation.before, situation.after
    if situation.statement.is_alone:
        return
    for oid, index in before.indexes.items():
        is_table_there = index.table in situation.known and index.table in after.relations
        constraints = [each.index for each in before.constraints.values()]
        if is_table_there and oid not in after.indexes and oid not in constraints:
            yield Safer(
                words="Beside readers and writers:",
                code=alone(execute(f"DROP INDEX CONCURRENTLY {index.name}")),
                is_whole=True,
            )
        elif (
            is_table_there
            and oid in after.indexes
            and index.table not in (situation.effect.rewritten)
            and before.relations[oid].file != after.relations[oid].file
        ):
            yield Safer(
                words="Beside readers and writers:",
                code=alone(execute(f"REINDEX INDEX CONCURRENTLY {index.name}")),
                is_whole=True,
            )


def _partitions(situation: Situation) -> Iterator[Safer]:
    for oid, new in situation.after.relations.items():
        old = situation.before.relations.get(oid)
        if old is None or oid not in situation.known or new.kind in {"i", "I"}:
            continue
        if new.is_partition and not old.is_partition:
            yield Safer(
                words="Let a CHECK that is validated say first what the bounds say; then no row is "
                "read for it:",
                code="\n".join([
                    execute(f"ALTER TABLE {new.name} ADD CONSTRAINT bounds CHECK (...) NOT VALID"),
                    alone(execute(f"ALTER TABLE {new.name} VALIDATE CONSTRAINT bounds")),
                ]),
            )  # fmt: skip
        elif old.is_partition and not new.is_partition and old.parent is not None:
            parent = situation.after.name(old.parent)
            yield Safer(
                words="Beside readers and writers:",
                code=alone(
                    execute(f"ALTER TABLE {parent} DETACH PARTITION {new.name} CONCURRENTLY")
                ),
                is_whole=True,
            )


def _rows(situation: Situation) -> Iterator[Safer]:
    if "rows" in situation.kinds:
        yield Safer(
            words="In batches, each with a COMMIT; the condition says which rows are left:",
            code=batches("<table>", "...", "<not yet done>"),
        )
    lost = " ".join(situation.effect.losses)
    if " rows of " in lost:
        yield Safer(
            words="Keep the rows until nobody misses them: copy them into a table beside first. "
            "Rows are taken out in batches:",
            code=alone(
                'while op.get_bind().execute(sa.text("DELETE FROM <table> WHERE ctid = ANY(ARRAY('
                'SELECT ctid FROM <table> WHERE ... LIMIT 1000))")).rowcount:\n    pass'
            ),
        )


def _held(situation: Situation) -> Iterator[Safer]:
    if "held" in situation.kinds:
        yield Safer(
            words="COMMIT before it: give it a revision of its own, or write it outside of the "
            "transaction:",
            code=alone(execute(situation.statement.sql)),
        )


def _any_other(situation: Situation) -> Iterator[Safer]:
    del situation
    yield Safer(
        words="There is no form of it that blocks less: run it when nobody needs the table, and "
        "accept it here:",
        code="# ormolu: accepted, ...",
    )


_FORMS: tuple[Callable[[Situation], Iterator[Safer]], ...] = (
    _outside, _catalog_forms, _columns, _dropped, _relations, _rows, _held,
)  # fmt: skip
