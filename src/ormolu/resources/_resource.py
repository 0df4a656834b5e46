"""`resource(Model)`: the REST face of a model, as an APIRouter and as operations in Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.datastructures import Default
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Match, Route
from starlette.types import Scope

from ormolu.query import Row, read_selection
from ormolu.resources._declaration import declare
from ormolu.resources._documents import describer_of
from ormolu.resources._endpoints import endpoint_function, operation_id, refusing_endpoint
from ormolu.resources._explain import Explanation, explain_door
from ormolu.resources._exposures import Exposure, Policies
from ormolu.resources._frontdoor import DoorMaker
from ormolu.resources._hooks import HookName
from ormolu.resources._idempotency import idempotency_table
from ormolu.resources._lists import Page, read_members
from ormolu.resources._mapped import check_relations, mapper_of, operations_of, path_of_table
from ormolu.resources._operations import Operations
from ormolu.resources._policy import Policy, checked_policy
from ormolu.resources._requests import read_key_values
from ormolu.resources._routes import Endpoint, endpoints_of
from ormolu.resources._schemas import Schemas, check_models
from ormolu.resources._statements import ANY_VERSION, Versions
from ormolu.web import only_read, request_session

__all__ = ["Resource", "resource"]

ModelPolicies = Mapping[type[Any], Policy]


_SUMMARIES = {
    "list": "List, filter, sort and page {} rows",
    "query": "The same, asked for in a body",
    "create": "Create {}",
    "batch": "Many changes of {} at once",
    "read": "Read {}",
    "update": "Change {}",
    "replace": "Create or replace {}",
    "delete": "Delete {}",
}


class Resource(APIRouter):
    """The REST face of one model: routes for `include_router`, and the same from Python.

    The Python operations take a session and what the request would say. `policies` is what the
    caller may see and touch, by model; None is the program itself, which may everything.

    Attributes:
        exposure: What is shown.
    """

    is_ormolu = True

    def __init__(self, exposure: Exposure, session: Callable[..., Any]) -> None:
        super().__init__(tags=[exposure.declaration.path.strip("/")])
        self.exposure: Exposure = exposure
        self._session = session
        self._makers: dict[tuple[str, str], DoorMaker] = {}
        self._built = 0
        exposure.rebuild = self._build
        # All before any: a route depends on the policies of all that it can reach.
        for each in exposure.settle():
            each.rebuild()

    @property
    def schemas(self) -> Schemas:
        """Return the Pydantic models: `public`, `create`, `update`."""
        return self.exposure.schemas

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for one of the routes, quickly where it is not.

        FastAPI asks each included router, and each asks all of its routes: with a hundred
        resources that would take longer than the request itself.
        """
        is_alone = len(self.routes) == self._built
        if is_alone and self.exposure.declaration.path not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)

    def explain(self, url: str = "sqlite://") -> Sequence[Explanation]:
        """Tell for each operation which way its requests take, why, and with what SQL.

        An application may have more reasons to take the session: `ormolu explain app:app`.

        Args:
            url: Of a database; only its kind matters.
        """
        return [explain_door(maker, place, url) for place, maker in self._makers.items()]

    def _build(self) -> None:
        """Make the routes, again whenever a resource behind a relation is declared."""
        for maker in self._makers.values():
            maker.is_replaced = True
        self._makers = {}
        theirs = [route for route in self.routes if not getattr(route, "is_ormolu", False)]
        self.routes.clear()
        endpoints = endpoints_of(self.exposure)
        base = self.exposure.declaration.path
        functions = [self._add(base, endpoint) for endpoint in endpoints]
        # After the rows' own paths: a pattern that ends in a slash matches a line feed after it.
        for endpoint, function in zip(endpoints, functions, strict=True):
            self._add_hidden(f"{base}{endpoint.path}/", endpoint.methods, (endpoint, function))
        for path in dict.fromkeys(endpoint.path for endpoint in endpoints):
            methods = {method for each in endpoints if each.path == path for method in each.methods}
            for slash in ("", "/"):
                refuse = refusing_endpoint(methods)
                self.routes.append(
                    Route(base + path + slash, refuse, methods=[], include_in_schema=False)
                )
        for route in self.routes:
            route.is_ormolu = True  # type: ignore[attr-defined]
        self._built = len(self.routes)
        self.routes.extend(theirs)

    def _add(self, base: str, endpoint: Endpoint) -> Callable[..., Any]:
        function: Any = endpoint_function(endpoint, self.exposure, self._session)
        function.describe = describer_of(endpoint, self.exposure)
        function.door = DoorMaker(endpoint.name, self.exposure, function, self._session)
        shown, *others = endpoint.methods
        path = base + endpoint.path
        self._makers[shown, path] = function.door
        self.add_api_route(
            path, function, methods=[shown], name=function.__name__,
            generate_unique_id_function=Default(partial(operation_id, endpoint)),
            status_code=endpoint.status, response_model=None,
            include_in_schema=shown != "QUERY",
            dependencies=_dependencies(endpoint),
            summary=_SUMMARIES[endpoint.name].format(self.exposure.declaration.name),
        )  # fmt: skip
        if others:
            self._add_hidden(path, others, (endpoint, function))
        return function  # type: ignore[no-any-return]

    def _add_hidden(
        self, path: str, methods: Sequence[str], served: tuple[Endpoint, Callable[..., Any]]
    ) -> None:
        endpoint, function = served
        self.add_api_route(
            path, function, methods=[*methods], name=function.__name__, response_model=None,
            include_in_schema=False, status_code=endpoint.status,
            dependencies=_dependencies(endpoint),
        )  # fmt: skip

    async def list(  # noqa: PLR0913 -- the parameters of the dialect
        self,
        session: AsyncSession,
        *,
        where: Mapping[str, Any] | None = None,
        q: str | None = None,
        sort: str | Sequence[str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        offset: int | None = None,
        count: str | None = None,
        fields: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        policies: ModelPolicies | None = None,
    ) -> Page:
        """Return one page of rows; the arguments are those of the HTTP dialect.

        Raises:
            RefusedError: An argument names what is not there, or has a wrong value.
        """
        operations = self.operations(session, policies)
        given = {
            "where": where, "q": q, "sort": sort, "limit": limit, "cursor": cursor,
            "offset": offset, "count": count, "fields": fields, "include": include,
        }  # fmt: skip
        query = read_members(operations.view, given, operations.limits, ("arguments",))
        return await operations.fetch(query)

    async def read(
        self,
        session: AsyncSession,
        key: Any,
        *,
        fields: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        policies: ModelPolicies | None = None,
    ) -> Row:
        """Return one row by its primary key, a tuple if that is of several columns.

        Raises:
            RefusedError: `not_found`.
        """
        operations = self.operations(session, policies)
        locations = (("arguments", "fields"), ("arguments", "include"))
        selection = read_selection(operations.view, fields, include, locations)
        row, _, _ = await operations.read(self._key(key), selection, ("arguments",))
        return row

    async def create(
        self,
        session: AsyncSession,
        values: Mapping[str, Any],
        *,
        policies: ModelPolicies | None = None,
    ) -> Row:
        """Store a new row, and return it. The session's unit of work commits.

        Raises:
            RefusedError: A value is wrong, or the row would be outside the policy.
        """
        async with _undone_if_refused(session, policies):
            return (await self.operations(session, policies).create(values)).row

    async def update(
        self,
        session: AsyncSession,
        key: Any,
        values: Mapping[str, Any],
        *,
        version: Any = None,
        policies: ModelPolicies | None = None,
    ) -> Row:
        """Change some values of a row, and return it.

        Raises:
            RefusedError: It is not there, not writable, or of another version; a value is wrong.
        """
        versions = ANY_VERSION if version is None else Versions(among=[version])
        operations = self.operations(session, policies)
        async with _undone_if_refused(session, policies):
            return (await operations.update(self._key(key), values, versions=versions)).row

    async def upsert(
        self,
        session: AsyncSession,
        values: Mapping[str, Any],
        *,
        on_conflict: Sequence[str],
        policies: ModelPolicies | None = None,
    ) -> Row:
        """Create a row, or change the one with the same unique key; return it.

        Raises:
            RefusedError: The fields are no unique key, or a value is wrong.
        """
        async with _undone_if_refused(session, policies):
            written, _ = await self.operations(session, policies).upsert(values, on_conflict)
        return written.row

    async def remove(
        self,
        session: AsyncSession,
        key: Any,
        *,
        version: Any = None,
        policies: ModelPolicies | None = None,
    ) -> None:
        """Delete a row; `delete` is APIRouter's own name.

        Raises:
            RefusedError: It is not there, not writable, or of another version.
        """
        versions = ANY_VERSION if version is None else Versions(among=[version])
        await self.operations(session, policies).remove(self._key(key), versions=versions)

    def operations(
        self, session: AsyncSession, policies: ModelPolicies | None = None
    ) -> Operations:
        """Return all operations, those that only HTTP has a name for too."""
        found: Policies | None = None
        if policies is not None:
            found = {
                each: checked_policy(policies[each.declaration.model], each.declaration.model)
                for each in self.exposure.reached
                if each.declaration.model in policies
            }
        return Operations(self.exposure, session, found, is_raw=True)

    def _key(self, key: Any) -> tuple[Any, ...]:
        values, declaration = key if isinstance(key, tuple) else (key,), self.exposure.declaration
        return read_key_values(values, declaration.keys, ("arguments", "key"), declaration.name)


def _dependencies(endpoint: Endpoint) -> Sequence[Any]:
    # POST too: on SQLite it would wait for those who write.
    return [Depends(only_read)] if endpoint.name == "query" else []


def _undone_if_refused(
    session: AsyncSession, policies: ModelPolicies | None
) -> AbstractAsyncContextManager[Any]:
    """Return a SAVEPOINT where a policy may refuse a row after it is written.

    A request is rolled back as a whole; a program may catch the refusal and go on.
    """
    return nullcontext() if policies is None else session.begin_nested()


def resource(  # noqa: PLR0913 -- one declaration, in one place
    model: type[Any],
    *,
    path: str | None = None,
    hidden: AbstractSet[str] = frozenset(),
    read_only: AbstractSet[str] = frozenset(),
    writable: AbstractSet[str] = frozenset(),
    searchable: AbstractSet[str] = frozenset(),
    includes: Collection[str] | Mapping[str, Resource] = (),
    operations: AbstractSet[str] | None = None,
    policy: Callable[..., Any] | None = None,
    require_if_match: bool = False,
    idempotency: bool = False,
    max_limit: int = 1000,
    max_offset: int = 0,
    document_operators: bool = False,
    max_rows: int = 20_000,
    max_bytes: int = 16 * 1024 * 1024,
    hooks: Mapping[HookName, Callable[..., Any]] | None = None,
    public_model: type[BaseModel] | None = None,
    create_model: type[BaseModel] | None = None,
    update_model: type[BaseModel] | None = None,
    alias_generator: Callable[[str], str] | None = None,
    session: Callable[..., Any] = request_session,
) -> Resource:
    """Declare the REST face of a model: the whole dialect of docs/resources.md.

    Args:
        model: Mapped class.
        path: Where it is served; None takes `/` and the table's name. A class in the table of
            another needs one.
        hidden: Columns that are never read, written, filtered or sorted, on any hop. Columns that
            are called like secrets are hidden too, unless another option names them.
        read_only: Columns that are shown and never written.
        writable: Columns that clients may write although the server makes them: a key, a moment.
        searchable: Text columns that `?q=` looks at.
        includes: Relations that `?include=` and paths may name; a mapping names the resource that
            declares what is shown of the other model, if there are several.
        operations: Of list, read, create, update, replace, delete, batch; None takes all that the
            class can have: rows of an abstract one are made as those of its subclasses.
        policy: FastAPI dependency that returns a `Policy`.
        require_if_match: Whether a change without If-Match is answered 428.
        idempotency: Whether Idempotency-Key is kept, in the table `ormolu_idempotency`.
        max_limit: Most rows of a page.
        max_offset: Most rows that `offset` may skip; 0 leaves it out.
        document_operators: Whether the OpenAPI document has a parameter for each operator of each
            column, instead of one for each column whose description names its operators.
        max_rows: Most rows of an answer, those of its includes among them, each as often as it
            stands there.
        max_bytes: Most bytes of an answer's body.
        hooks: Functions of (session, values) around writes; `after_commit` takes the row alone.
        public_model: Pydantic model of answers, instead of the generated one.
        create_model: Pydantic model of a new row.
        update_model: Pydantic model of changes.
        alias_generator: What names columns and relations without an alias, as `to_camel` does.
        session: Dependency that gives the session: `db.session` of a second database.

    Raises:
        ConfigurationError: A name or a value is wrong; the message says which.
    """
    mapper = mapper_of(model)
    declaration = declare(
        model=model,
        path=path_of_table(mapper) if path is None else path,
        hidden=frozenset(hidden),
        read_only=frozenset(read_only),
        writable=frozenset(writable),
        searchable=frozenset(searchable),
        includes=dict(includes) if isinstance(includes, Mapping) else dict.fromkeys(includes),
        operations=operations_of(mapper, operations),
        policy=policy,
        require_if_match=require_if_match,
        idempotency=idempotency,
        max_limit=max_limit,
        max_offset=max_offset,
        document_operators=document_operators,
        max_rows=max_rows,
        max_bytes=max_bytes,
        hooks=dict(hooks or {}),
        public_model=public_model,
        create_model=create_model,
        update_model=update_model,
        alias_generator=alias_generator,
    )
    check_relations(mapper, declaration.includes)
    check_models(declaration)
    if idempotency:
        idempotency_table(declaration.metadata)
    return Resource(Exposure(declaration), session)
