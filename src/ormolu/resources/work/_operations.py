"""The operations of a resource in a session: list, read, create, update and the others. No HTTP.

A call sees and writes what its policies allow. Without policies it is the program's own call, and
sees everything that the declaration shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.backends import backend_of
from ormolu.errors import RefusedError
from ormolu.faults import fault_of
from ormolu.query import Budget, Location, Row, Rows, Selection, View, children_of, refuse
from ormolu.resources.declare import Declaration, Exposure, HookName, Names, Policies, run_hook
from ormolu.resources.work._blame import blaming
from ormolu.resources.work._lists import ListLimits, ListQuery, Page, fetch_page
from ormolu.resources.work._policy_values import answering_for_policies
from ormolu.resources.work._races import MOST_RACES, repeating
from ormolu.resources.work._statements import ANY_VERSION, Key, Versions, read_statement
from ormolu.resources.work._values import NewRow, Values
from ormolu.resources.work._writes import Writer, Written, not_found, out_of_reach, stale
from ormolu.sessions import after_commit, engine_of

__all__ = ["Operations"]


class Operations:
    """What one caller does with one resource in one session.

    Attributes:
        view: What the caller may see.
        declaration: What the program declared.
        policies: What the caller may see and write; None for the program itself.
        session: Where the statements run.
    """

    def __init__(
        self,
        exposure: Exposure,
        session: AsyncSession,
        policies: Policies | None,
        *,
        is_raw: bool = False,
    ) -> None:
        """Serve one caller.

        Args:
            exposure: What is shown.
            session: Where the statements run.
            policies: What the caller may see and write.
            is_raw: Whether values are returned as they are read, without the public model.
        """
        self.declaration: Declaration = exposure.declaration
        self.view: View = exposure.view(policies, is_raw=is_raw)
        self._policy = exposure.policy(policies)
        self._values = Values(self.view, exposure, self._policy)
        self.policies: Policies | None = policies
        self.session: AsyncSession = session

    @property
    def limits(self) -> ListLimits:
        """Return the largest `limit` and `offset` of a list."""
        return ListLimits(self.declaration.max_limit, self.declaration.max_offset)

    @answering_for_policies
    async def fetch(self, query: ListQuery) -> Page:
        """Return one page."""
        return await fetch_page(self.session, self.view, query, self.budget(query.location))

    def budget(self, location: Location) -> Budget:
        """Return a new budget for one answer."""
        return Budget(*self.declaration.limits, location)

    @answering_for_policies
    async def read(
        self, key: Key, selection: Selection, location: Location = ("query",)
    ) -> tuple[Row, Any, Sequence[str]]:
        """Return a row, its version, and the paths of its relations that are truncated.

        Raises:
            RefusedError: It does not exist for this caller, or the answer would be too large.
        """
        dialect = (await engine_of(self.session)).dialect
        is_row = self.view.is_row(key, dialect)
        statement, root = read_statement(self.declaration, self.view, is_row, selection)
        children = children_of(self.session, dialect, self.declaration.max_bytes)
        rows = Rows(children, self.budget(location))
        raw = (await self.session.execute(statement)).all()
        if not raw:
            raise not_found(self.declaration)
        items = await rows.collect(root, raw)
        version = raw[0][0] if self.declaration.traits.version else None
        return items[0], version, sorted(rows.truncated)

    async def create(self, values: Mapping[str, Any], location: Location = ("body",)) -> Written:
        """Store a new row.

        Raises:
            RefusedError: A value is wrong, or the row would be outside the policy.
        """
        return (await self.create_all([(values, location)]))[0]

    @answering_for_policies
    @repeating
    async def create_all(
        self, given: Sequence[tuple[Mapping[str, Any], Location]]
    ) -> list[Written]:
        """Store new rows in as few statements as the backend allows.

        Raises:
            RefusedError: As `create`.
        """
        rows = [self._values.read_new(values, location) for values, location in given]
        return await self._insert(rows, [location for _, location in given])

    async def _insert(
        self, rows: Sequence[NewRow], locations: Sequence[Location] = (("body",),)
    ) -> list[Written]:
        if self._policy.writes_nothing:
            # Before the database tells by its keys what it has.
            raise out_of_reach(self.declaration)
        prepared = [await self._prepare("create", row.values, row.sent) for row in rows]
        values, sent = [each for each, _ in prepared], [each for _, each in prepared]
        writer = await self._writer()
        is_blamed = blaming(self.declaration, sent, values)
        with self._values.refusing(locations, is_new=True), is_blamed:
            written = await writer.insert(values)
        return [await self._after("create", each) for each in written]

    @answering_for_policies
    @repeating
    async def update(
        self,
        key: Key,
        values: Mapping[str, Any],
        *,
        versions: Versions = ANY_VERSION,
        location: Location = ("body",),
    ) -> Written:
        """Change some values of a row; None is NULL, what is left out stays.

        Raises:
            RefusedError: A value is wrong, the row is not there, not writable, of another version,
                or would leave the policy.
        """
        changes = self._values.read_changes(values, location)
        with self._values.refusing([location], is_new=False):
            return await self._update(key, changes, changes.keys(), versions)

    async def _prepare(
        self, operation: Literal["create", "update"], values: dict[str, Any], sent: Names
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Call the hook, and return the values to store, and those of them that a client sent."""
        name: HookName = "before_create" if operation == "create" else "before_update"
        final = await run_hook(self.declaration.hooks, name, self.session, values)
        stored = self._values.stored(final, is_new=operation == "create")
        unchanged = {name for name in sent & stored.keys() if final[name] is values.get(name)}
        return stored, {name: stored[name] for name in unchanged}

    async def _update(
        self, key: Key, changes: dict[str, Any], sent: Names, versions: Versions
    ) -> Written:
        known: Mapping[str, Any] = {}
        if changes:
            changes, known = await self._prepare("update", changes, sent)
        writer = await self._writer()
        with blaming(self.declaration, [known], [changes]):
            written = await writer.update(key, changes, versions)
        return await self._after("update", written) if changes else written

    @answering_for_policies
    @repeating
    async def replace(
        self,
        key: Key,
        values: Mapping[str, Any],
        *,
        versions: Versions = ANY_VERSION,
    ) -> tuple[Written, bool]:
        """Create or replace the row with a key that the client chose; tell whether it is new.

        Args:
            key: The primary key.
            values: All values; what is left out gets its default.
            versions: What is expected of the row, or that there is none.

        Raises:
            RefusedError: As `update` and `create`; `precondition_failed` if it is there already.
        """
        row = self._values.read_whole(self._key_values(key), values)
        if versions.is_absent and versions.need_a_row:
            raise stale(versions)
        for is_again in (False, *[True] * (MOST_RACES - 1)):
            replaced = await self._replace_once(key, row, versions, is_again=is_again)
            if replaced is not None:
                return replaced
        detail = f"Others create and delete this {self.declaration.name} at this moment. Try again."
        raise RefusedError("busy", detail)

    async def _replace_once(
        self, key: Key, row: NewRow, versions: Versions, *, is_again: bool
    ) -> tuple[Written, bool] | None:
        """Create or replace a row; None if others created or deleted it in between."""
        if not versions.is_absent:
            try:
                return await self._replace_old(key, row, versions, is_again=is_again), False
            except RefusedError as error:
                if error.code != "not_found":
                    raise
                if versions.need_a_row:
                    detail = f"There is no {self.declaration.name} with this key."
                    raise RefusedError("precondition_failed", detail) from None
        try:
            async with self.session.begin_nested():
                (created,) = await self._insert([row])
        except IntegrityError as error:
            fault = fault_of(error)
            if fault.kind != "unique_violation":
                raise
            if not versions.is_absent and await (await self._writer()).is_passing(key, fault):
                return None
            if not versions.is_absent or await self._is_free(key, is_latest=True):
                raise
            detail = f"A {self.declaration.name} with this key exists already."
            raise RefusedError("precondition_failed", detail) from None
        return created, True

    async def _replace_old(
        self, key: Key, row: NewRow, versions: Versions, *, is_again: bool
    ) -> Written:
        # Where the row is new, the hook of a change must not be called, nor the constructor twice;
        # and InnoDB would lock the gap, as it would for others, and then none could insert.
        is_made = self.declaration.traits.constructor.is_own
        is_watched = is_made or "before_update" in self.declaration.hooks
        backend = backend_of((await engine_of(self.session)).dialect)
        is_asked = is_watched or (backend.locks_gaps and not is_again)
        if is_asked and await self._is_free(key, is_latest=is_again):
            raise not_found(self.declaration)
        with self._values.refusing([("body",)], is_new=True):
            values = await self._made(row) if is_made else row.values
            changes = await self.session.run_sync(
                lambda session: self._values.replacing(values, session.connection)
            )
            sent = {name for name in row.sent if values[name] is row.values[name]}
            return await self._update(key, changes, sent, versions)

    async def _made(self, row: NewRow) -> dict[str, Any]:
        """Return the values of a new row as the program's own constructor makes them."""
        writer = await self._writer()
        return row.values | await writer.construct(self._values.stored(row.values, is_new=True))

    async def _is_free(self, key: Key, *, is_latest: bool = False) -> bool:
        found = await (await self._writer()).find(self._key_values(key), is_latest=is_latest)
        return found is None

    def _key_values(self, key: Key) -> dict[str, Any]:
        return {field.attribute: part for field, part in zip(self.view.keys, key, strict=True)}

    @answering_for_policies
    @repeating
    async def upsert(
        self,
        values: Mapping[str, Any],
        unique: Sequence[str],
        *,
        ignore: bool = False,
        versions: Versions = ANY_VERSION,
        location: Location = ("body",),
    ) -> tuple[Written, bool]:
        """Create a row, or change the one with the same unique key; tell whether it is new.

        Args:
            values: As for `create`.
            unique: Names of a unique key's fields, without those that the policy assigns.
            ignore: Whether an existing row stays as it is.
            versions: What is expected of an existing row.
            location: Where the values are in the request.

        Raises:
            RefusedError: As `create` and `update`; the fields are no unique key.
        """  # fmt: skip
        group = self._values.find_unique(unique)
        row = self._values.read_new(values, location)
        group = self._values.as_given(group, row)
        change = None if ignore else self._values.matching(row, group)
        named = await self.session.run_sync(
            lambda session: self._values.named(row.values, group, session.connection)
        )
        with self._values.refusing([location], is_new=True):
            found = await self._match(named, change, versions, row.sent)
        if found is not None:
            return found, False
        try:
            async with self.session.begin_nested():
                (created,) = await self._insert([row], [location])
                return created, True
        except IntegrityError as error:
            if fault_of(error).kind != "unique_violation":
                raise
            # Another request has created the row, or this caller cannot see it.
            with self._values.refusing([location], is_new=True):
                found = await self._match(named, change, versions, row.sent, is_latest=True)
            if found is None:
                raise
            return found, False

    async def _match(
        self,
        named: Mapping[str, Any],
        changes: dict[str, Any] | None,
        versions: Versions,
        sent: Names,
        *,
        is_latest: bool = False,
    ) -> Written | None:
        """Change the visible row with a unique key, or only read it; None if there is none."""
        if any(value is None for value in named.values()):
            return None
        writer = await self._writer()
        # SQLite would find a row with a rounded number.
        writer.check(named)
        known = {name: value for name, value in named.items() if name in sent}
        with blaming(self.declaration, [known], [named]):
            key = await writer.find(named, is_latest=is_latest)
        if key is None:
            return None
        if changes is None:
            written = await writer.read(key, is_latest=is_latest)
            if versions.is_absent or written.version in versions.besides:
                raise stale(versions)
            return written
        return await self._update(key, changes, changes.keys(), versions)

    def check_upsert(self, location: Location, *, is_ignored: bool) -> None:
        """Check that an upsert shows and changes no row that other operations may not.

        Args:
            location: Where its parameters are.
            is_ignored: Whether an existing row stays as it is.

        Raises:
            RefusedError: The resource does not offer it, or requires If-Match.
        """
        offered = self.declaration.on_match
        if not offered:
            message = "Is not offered here: rows can be created, and neither read nor changed"
            raise refuse((*location, "on_conflict"), "unknown_parameter", message)
        if not is_ignored and "update" not in offered:
            message = "Must be ignore: rows cannot be changed here"
            raise refuse((*location, "on_match"), "literal_error", message)
        if self.declaration.require_if_match and not is_ignored:
            message = "If-Match is required here: upsert with on_match=ignore, then send a PATCH."
            raise RefusedError("precondition_required", message)

    @answering_for_policies
    @repeating
    async def remove(self, key: Key, *, versions: Versions = ANY_VERSION) -> None:
        """Delete a row.

        Raises:
            RefusedError: It is not there, not writable, or of another version.
        """
        writer = await self._writer()
        hooks = self.declaration.hooks
        is_watched = any(
            name in hooks for name in ("before_delete", "after_delete", "after_commit")
        )
        row = (await writer.read(key)).hook_row if is_watched else {}
        await run_hook(hooks, "before_delete", self.session, row)
        await writer.delete(key, versions)
        await run_hook(hooks, "after_delete", self.session, row)
        self._note(row)

    async def _writer(self) -> Writer:
        dialect: Dialect = (await engine_of(self.session)).dialect
        return Writer(self.session, dialect, self.declaration, self.view, self._policy)

    async def _after(self, operation: str, written: Written) -> Written:
        name: Any = f"after_{operation}"
        await run_hook(self.declaration.hooks, name, self.session, written.hook_row)
        self._note(written.hook_row)
        return written

    def _note(self, row: Row) -> None:
        hook = self.declaration.hooks.get("after_commit")
        if hook is not None:
            after_commit(self.session, hook, row)
