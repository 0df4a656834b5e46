"""Where a database is, and what follows from that for its engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import URL

from ormolu.engines._options import EngineOptions, reads_in_autocommit
from ormolu.engines._schema import SchemaMode
from ormolu.engines._url import Target, read_url
from ormolu.errors import ConfigurationError
from ormolu.sqlite import MemoryFile, memory_file

__all__ = ["Location", "locate"]


@dataclass(frozen=True, kw_only=True)
class Location:
    """A URL, read.

    Attributes:
        target: Where it is.
        options: What was asked for, and what the URL says.
        schema: What opening does about the tables.
        reads_in_autocommit: Whether reads are sent without a transaction around them.
        begins_with_first_statement: Whether the driver sends BEGIN with it, and limits all waits
            itself.
        reads_end_at_once: Whether the end of a read waits for nothing, be it that its connection
            has to be thrown away.
        memory: Keeps the file of an in-memory database.
        replicas: Where its replicas are.
    """

    target: Target
    options: EngineOptions
    schema: SchemaMode
    reads_in_autocommit: bool
    begins_with_first_statement: bool
    reads_end_at_once: bool
    memory: MemoryFile | None
    replicas: tuple[Target, ...]


def locate(
    url: str | URL | None,
    options: EngineOptions,
    schema: SchemaMode,
    replicas: Sequence[str | URL] = (),
) -> Location:
    """Return what a URL, and those of its replicas, mean for the engines; see `read_url`.

    Raises:
        ConfigurationError: A replica is none of such a database.
    """
    target, memory = read_url(url), None
    if target.is_memory:
        memory = memory_file()
        place = URL.create("sqlite+ormolu", database=memory.path)
        target = Target(url=place, is_memory=True)
    if target.has_pooler and options.pooler is None:
        options = replace(options, pooler="transaction")
    is_ours, is_autocommit = target.driver == "ormolu", reads_in_autocommit(target, options)
    return Location(
        target=target,
        options=options,
        schema=schema,
        memory=memory,
        replicas=_read_replicas(target, replicas),
        reads_in_autocommit=is_autocommit,
        begins_with_first_statement=is_ours,
        # psycopg's and asyncmy's connections cannot be thrown away without waiting.
        reads_end_at_once=is_ours or (target.driver == "asyncpg" and is_autocommit),
    )


def _read_replicas(primary: Target, urls: Sequence[str | URL]) -> tuple[Target, ...]:
    if not urls:
        return ()
    if isinstance(urls, (str, URL)):
        message = "replicas= takes a list, also of one: replicas=[url]."
        raise ConfigurationError(message)
    if primary.backend.written_question is None:
        message = (
            f"replicas=: {_WITHOUT.get(primary.url.get_backend_name(), _UNKNOWN)} "
            "PostgreSQL and MariaDB tell how far a replica is."
        )
        raise ConfigurationError(message)
    targets = tuple(read_url(url) for url in urls)
    for target in targets:
        if target.url.drivername != primary.url.drivername:
            message = (
                f'A replica is called "{target.url.drivername}://...", and its primary '
                f'"{primary.url.drivername}://...". Write the same driver for both.'
            )
            raise ConfigurationError(message)
    return targets


_UNKNOWN = "of this database nobody can tell what a replica has."
_WITHOUT = {
    "mysql": "of MySQL nobody asks how far a replica is. For MariaDB write mariadb://...",
    "sqlite": "a SQLite database is one file, which all of its readers share. Leave it out.",
}
