"""A database of its own for each test: a copy of a template that was prepared once.

Knows which kind of copies a database has; each kind is a file of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import URL, MetaData, make_url
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import migrations as room
from ormolu.engines import Engines, SchemaMode, Spares, with_driver
from ormolu.errors import ConfigurationError
from ormolu.sessions import UnitSession
from ormolu.transactions import Access

__all__ = ["Copies", "Seed", "Workshop"]

Seed = Callable[[AsyncSession], Awaitable[None]]


class Copies(Protocol):
    """Copies of one template.

    Attributes:
        kind: What they are, in words.
    """

    kind: str

    def take(self) -> URL:
        """Return the URL of a copy that nobody has used."""
        ...

    def give_back(self, url: URL) -> None:
        """Delete a copy."""
        ...

    def close(self) -> None:
        """Delete the template, too."""
        ...


class Workshop:
    """The templates of a run in one process, each made when it is first asked for."""

    def __init__(self, server: str | None) -> None:
        """Prepare nothing yet.

        Args:
            server: The URL of a server to make databases on; None has one where one is needed.
        """
        self._server = make_url(server) if server else None
        self._copies: dict[Any, _Template] = {}

    @contextmanager
    def databases(self, found: Sequence[Engines], seed: Seed | None) -> Iterator[list[str]]:
        """Move databases to copies of their own within the block.

        Args:
            found: Those of an application. Those with the same URL share a copy.
            seed: Fills the template of the first, once.

        Returns:
            What kinds of copies they are.
        """
        groups: dict[Any, list[Engines]] = {}
        for each in found:
            target = each.target
            place = id(each) if target.is_memory else target.url.render_as_string(False)
            groups.setdefault(place, []).append(each)
        with ExitStack() as stack:
            kinds = []
            for group in groups.values():
                template = self._template_of(group, seed if found[0] in group else None)
                copies = template.copies
                url = copies.take()
                stack.callback(copies.give_back, url)
                for each in group:
                    stack.enter_context(each.moved(url, "ignore", template.spares_of(each)))
                kinds.append(copies.kind)
            yield kinds

    def close(self) -> None:
        """Delete all templates."""
        for template in self._copies.values():
            template.copies.close()
        self._copies.clear()

    def _template_of(self, group: list[Engines], seed: Seed | None) -> _Template:
        first = group[0]
        url = None if first.target.is_memory else first.url
        parts = tuple((id(each.metadata), each.schema, each.migrations) for each in group)
        key = (url, first.url.drivername, parts, seed)
        if key not in self._copies:
            self._copies[key] = _Template(
                copies=_make_copies(group, self._server, seed),
                metadata=[each.metadata for each in group],
            )
        return self._copies[key]


@dataclass(frozen=True, kw_only=True)
class _Template:
    """What tests have copies of.

    Attributes:
        copies: The copies.
        metadata: What the numbers in its key stand for, which must not become those of others.
    """

    copies: Copies
    metadata: list[MetaData]
    _spares: WeakKeyDictionary[Engines, Spares] = field(default_factory=WeakKeyDictionary)

    def spares_of(self, database: Engines) -> Spares:
        """Return the engines that a database has had at the last copy."""
        return self._spares.setdefault(database, Spares())


def _make_copies(group: list[Engines], server: URL | None, seed: Seed | None) -> Copies:
    """Return copies of a new template.

    Raises:
        ConfigurationError: There is no server for them, or no driver.
    """
    given = group[0].target
    url = given.url if server is None else with_driver(_with_driver_of(server, given.url))

    def fill(place: URL) -> None:
        with ThreadPoolExecutor(1) as thread, ExitStack() as stack:
            for each in group:
                stack.enter_context(each.moved(place, _schema_for(each)))
            thread.submit(asyncio.run, _fill(group, seed)).result()

    backend = url.get_backend_name()
    if backend == "sqlite":
        from ormolu.testing._sqlite_copies import SQLiteCopies

        return SQLiteCopies(url, fill)
    if backend == "postgresql":
        from ormolu.testing._postgresql_copies import PostgreSQLCopies

        is_given = server is not None and bool(server.host or server.query)
        return PostgreSQLCopies(url, fill, is_given=is_given)
    if backend in {"mysql", "mariadb"} and server is not None:
        from ormolu.testing._mysql_copies import MySQLCopies

        return MySQLCopies(url, fill)
    message = (
        f"Tests need a server for {backend} on which databases can be made. Name it: "
        f"pytest --database-url {backend}://user:password@host/name"
    )
    raise ConfigurationError(message)


def _with_driver_of(server: URL, given: URL) -> URL:
    """Return the server's URL with the application's driver, if they are of one backend."""
    if "+" not in server.drivername and server.get_backend_name() == given.get_backend_name():
        return server.set(drivername=given.drivername)
    return server


def _schema_for(engines: Engines) -> SchemaMode:
    """Return how the tables of a template are made: as the application's own are, or will be."""
    if engines.schema == "create" or not room.find_place(engines.migrations).has_revisions:
        return "create"
    return "ignore" if engines.schema == "ignore" else "migrate"


async def _fill(group: Sequence[Engines], seed: Seed | None) -> None:
    for each in group:
        await each.open()
        if each.schema == "ignore":
            await room.Migrations(each).upgrade()
    if seed is not None:
        session = UnitSession(group[0], Access.WRITE)
        try:
            await seed(session)
            await session.commit()
        finally:
            await session.close()
    for each in group:
        await each.close()
