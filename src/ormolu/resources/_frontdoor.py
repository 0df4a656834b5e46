"""The front door: requests answered by a plan, past FastAPI, wherever that makes no difference.

A door answers successes only. Whatever it does not know, does not find or is not sure of it hands
over, and FastAPI's route answers as if there were no door.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Dialect
from sqlalchemy.exc import SQLAlchemyError

from ormolu.engines import Engines
from ormolu.lanes import Lanes, UnplannableError
from ormolu.resources._applications import find_resources
from ormolu.resources._declaration import Declaration
from ormolu.resources._exposures import Exposure
from ormolu.resources._mapped import check_columns
from ormolu.resources._opening import OpenDoor, Opening, WatchedDoor
from ormolu.resources._placing import Asking
from ormolu.resources._read_doors import ListDoor, ReadDoor
from ormolu.resources._variants import check_variants
from ormolu.resources._write_doors import CreateDoor, DeleteDoor, UpdateDoor
from ormolu.web import Door, NoDoorError

__all__ = ["DoorMaker"]

_DOORS: dict[str, type[OpenDoor]] = {
    "create": CreateDoor,
    "delete": DeleteDoor,
    "list": ListDoor,
    "read": ReadDoor,
    "update": UpdateDoor,
}


class DoorMaker:
    """Makes the doors of one endpoint, one for each database that it is served from.

    Attributes:
        name: Of the operation.
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        function: The endpoint.
        session: The dependency that gives the session.
    """

    def __init__(
        self,
        name: str,
        asking: Asking,
        function: Callable[..., Any],
        session: Callable[..., Any],
    ) -> None:
        self.reads_body = name in {"create", "update"}
        self.is_read = name in {"list", "read"}
        self.function = function
        self.session = session
        self.name = name
        self._asking = asking

    @property
    def declaration(self) -> Declaration:
        """Return what the resource declares."""
        return self._asking.declaration

    def check(self, app: FastAPI, dialect: Dialect) -> None:
        """Check that the columns are the tables', and of the same values on all backends.

        Raises:
            ConfigurationError: They do not.
        """
        for each in find_resources(app).registry.exposure(self.declaration).reached:
            check_columns(each.declaration.mapper)
            check_variants(each.declaration, dialect)

    def make(self, app: FastAPI, engines: Engines, lanes: Lanes) -> Door:
        """Return the door of an application.

        Raises:
            ConfigurationError: It is not certain what a relation leads to there.
            NoDoorError: There is none.
        """
        dialect = engines.opened.reader.sync_engine.dialect
        exposure = find_resources(app).registry.exposure(self.declaration)
        return self.open(exposure, dialect, lanes)

    def open(
        self, exposure: Exposure, dialect: Dialect, lanes: Lanes | None
    ) -> OpenDoor | WatchedDoor:
        """Return the door to what is shown, or one that only explains itself, without lanes.

        Raises:
            NoDoorError: There is none.
        """
        kind = _DOORS.get(self.name)
        if kind is None:
            message = "it is of more than one statement"
            raise NoDoorError(message)
        try:
            opening = Opening(exposure, dialect, lanes)
            door = kind(opening)
            return WatchedDoor(door) if opening.hybrids else door
        except (UnplannableError, SQLAlchemyError) as error:
            raise NoDoorError(str(error)) from error
