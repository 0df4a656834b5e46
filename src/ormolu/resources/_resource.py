"""`resource(Model)`: the REST face of a model, as an APIRouter and as operations in Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper

from ormolu.engines import read_url
from ormolu.errors import ConfigurationError
from ormolu.query import Row, read_selection
from ormolu.resources.declare import (
    Declaration,
    Exposure,
    HookName,
    Policies,
    Policy,
    Registry,
    Schemas,
    check_models,
    check_relations,
    checked_policy,
    declare,
    isolate_policies,
    live_resources,
    mapper_of,
    operations_of,
    path_of_table,
    schemas_of,
)
from ormolu.resources.http import idempotency_table, read_key_values
from ormolu.resources.routes import Explanation, ResourceRouter, explain_door, exposure_for
from ormolu.resources.work import ANY_VERSION, Operations, Page, Versions, read_members
from ormolu.web import request_session

__all__ = ["Resource", "resource"]

ModelPolicies = Mapping[type[Any], Policy]


class Resource(ResourceRouter):
    """The REST face of one model: routes for `include_router`, and the same from Python.

    The Python operations take a session and what a request would say. `policies` is what the
    caller may see and write, by model; with None the program itself may do everything.

    Attributes:
        declaration: What the program declared.
    """

    def __init__(self, declaration: Declaration, session: Callable[..., Any]) -> None:
        super().__init__(declaration, session)
        # Its registry in a script, which has no application; see `exposure_for`.
        self.standalone: tuple[int, Registry] | None = None
        live_resources.add(self)

    @property
    def schemas(self) -> Schemas:
        """Return the Pydantic models: `public`, `create`, `update`."""
        return self.declaration.cached(schemas_of)

    @property
    def exposure(self) -> Exposure:
        """Return what is shown in the application that serves it.

        Raises:
            ConfigurationError: Several serve it and show other things, or it is not certain what
                a relation leads to.
        """
        return exposure_for(self, None)

    def explain(self, url: str = "sqlite://") -> Sequence[Explanation]:
        """Tell for each operation what answers its requests, why, and with what SQL.

        An application may have more reasons to use the session: `ormolu explain app:app`.

        Args:
            url: URL of a database; only its kind matters.
        """
        exposure, target = self.exposure, read_url(url)
        return [
            explain_door(maker, exposure, asked, target) for asked, maker in self.makers.items()
        ]

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
        """Return all operations, with those that have no method here."""
        exposure = exposure_for(self, session)
        found: Policies | None = None
        if policies is not None:
            models = {each: each.declaration.model for each in exposure.reached}
            found = isolate_policies(
                {
                    each: checked_policy(policies[model], model)
                    for each, model in models.items()
                    if model in policies
                }
            )
        return Operations(exposure, session, found, is_raw=True)

    def _key(self, key: Any) -> tuple[Any, ...]:
        values, declaration = key if isinstance(key, tuple) else (key,), self.declaration
        return read_key_values(values, declaration.keys, ("arguments", "key"), declaration.name)


def _named(
    mapper: Mapper[Any], includes: Collection[str] | Mapping[str, Resource]
) -> Mapping[str, Declaration | None]:
    """Return the declaration that `includes` names for each relation, None where it names none.

    Raises:
        ConfigurationError: A named resource is of another model.
    """
    if not isinstance(includes, Mapping):
        return dict.fromkeys(includes)
    for name, given in includes.items():
        relation = mapper.relationships.get(name)
        if relation is None or issubclass(given.declaration.model, relation.mapper.class_):
            continue
        message = (
            f"resource({mapper.class_.__name__}): {name!r} leads to "
            f"{relation.mapper.class_.__name__}, and {given.declaration.path} shows no rows of "
            "that."
        )
        raise ConfigurationError(message)
    return {name: given.declaration for name, given in includes.items()}


def _undone_if_refused(
    session: AsyncSession, policies: ModelPolicies | None
) -> AbstractAsyncContextManager[Any]:
    """Return a SAVEPOINT where a policy may refuse a row after it is written.

    A request is rolled back as a whole, but a program may catch the refusal and go on.
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
    undocumented: AbstractSet[str] = frozenset(),
    policy: Callable[..., Any] | None = None,
    require_if_match: bool = False,
    idempotency: bool = False,
    max_limit: int = 1000,
    max_offset: int = 0,
    document_operators: bool = False,
    max_rows: int = 20_000,
    max_bytes: int = 16 * 1024 * 1024,
    deadline: float | None = None,
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
        undocumented: Operations that are served, and left out of the OpenAPI document.
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
        deadline: Seconds that a request may take until its answer begins, before it is cancelled
            and answered 504; `math.inf` for any time. None takes the database's, and 30 s for
            lists where that has none.
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
        includes=_named(mapper, includes),
        operations=operations_of(mapper, operations),
        undocumented=frozenset(undocumented),
        policy=policy,
        require_if_match=require_if_match,
        idempotency=idempotency,
        max_limit=max_limit,
        max_offset=max_offset,
        document_operators=document_operators,
        max_rows=max_rows,
        max_bytes=max_bytes,
        deadline=deadline,
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
    return Resource(declaration, session)
