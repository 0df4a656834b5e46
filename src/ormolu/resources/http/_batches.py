"""Batches: many operations in one transaction, all of them or each on its own. No HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from ormolu.errors import RefusedError
from ormolu.faults import fault_of
from ormolu.query import Location, refuse, size_of
from ormolu.resources.http._conditions import read_conditions
from ormolu.resources.http._versions import read_versions
from ormolu.resources.work import ANY_VERSION, Operations, Versions, Written

__all__ = ["Failure", "Outcome", "Step", "read_batch", "run_batch"]

Kind = Literal["create", "update", "upsert", "delete", "refused"]

_MAX_STEPS = 100
_MEMBERS = {
    "create": {"op", "data"},
    "update": {"op", "id", "data", "if_match"},
    "upsert": {"op", "data", "on_conflict", "on_match"},
    "delete": {"op", "id", "if_match"},
}
_REQUIRED = {
    "create": ("data",),
    "update": ("id", "data"),
    "upsert": ("data", "on_conflict"),
    "delete": ("id",),
}
# Faults of one operation; any other fails the whole request.
_OWN_FAULTS = frozenset(
    {
        "check_violation", "exclusion_violation", "foreign_key_violation", "forbidden",
        "invalid_value", "not_null_violation", "rejected", "too_complex", "too_large",
        "unique_violation",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One operation of a batch, or the reason to refuse it."""

    kind: Kind
    location: Location
    data: Mapping[str, Any] = field(default_factory=dict)
    key: tuple[Any, ...] = ()
    versions: Versions = ANY_VERSION
    unique: tuple[str, ...] = ()
    is_ignored: bool = False
    refusal: RefusedError | None = None


@dataclass(frozen=True)
class Outcome:
    """An operation that succeeded."""

    status: int
    written: Written | None = None


@dataclass(frozen=True)
class Failure:
    """An operation that failed."""

    error: Exception


ReadKey = Callable[[Any, Location], tuple[Any, ...]]


def read_batch(
    body: Any, operations: Operations, read_key: ReadKey, allowed: Sequence[str]
) -> tuple[list[Step], bool]:
    """Read the steps of a batch, and whether it is atomic.

    Raises:
        RefusedError: The body is no batch, or a step of an atomic batch is wrong.
    """
    if not isinstance(body, Mapping):
        raise refuse(("body",), "dict_type", 'Must be an object, as {"operations": [...]}')
    for name in body:
        if name not in {"operations", "atomic"}:
            raise refuse(("body", name), "extra_forbidden", "Extra inputs are not permitted")
    listed, is_atomic = body.get("operations"), body.get("atomic", True)
    if not isinstance(listed, list) or not listed:
        raise refuse(("body", "operations"), "list_type", "Must be a list of operations")
    if len(listed) > _MAX_STEPS:
        message = f"Must not have more than {_MAX_STEPS} operations"
        raise refuse(("body", "operations"), "too_long", message)
    if not isinstance(is_atomic, bool):
        raise refuse(("body", "atomic"), "bool_type", "Must be true or false")
    steps = []
    for index, given in enumerate(listed):
        location = ("body", "operations", index)
        try:
            steps.append(_read_step(given, location, operations, read_key, allowed))
        except RefusedError as error:
            if is_atomic:
                _locate(error, location)
                raise
            steps.append(Step("refused", location, refusal=error))
    return steps, is_atomic


def _read_step(
    given: Any,
    location: Location,
    operations: Operations,
    read_key: ReadKey,
    allowed: Sequence[str],
) -> Step:
    if not isinstance(given, Mapping):
        raise refuse(location, "dict_type", "Must be an object")
    kind = given.get("op")
    if not isinstance(kind, str) or kind not in _MEMBERS or kind not in allowed:
        listed = ", ".join(name for name in _MEMBERS if name in allowed)
        raise refuse((*location, "op"), "literal_error", f"Must be one of {listed}")
    for name in given:
        if name not in _MEMBERS[kind]:
            raise refuse((*location, name), "extra_forbidden", "Extra inputs are not permitted")
    for name in _REQUIRED[kind]:
        if name not in given:
            raise refuse((*location, name), "missing", "Field required")
    data = given.get("data", {})
    if not isinstance(data, Mapping):
        raise refuse((*location, "data"), "dict_type", "Must be an object")
    is_ignored = _is_ignored(given.get("on_match"), (*location, "on_match"))
    if kind == "upsert":
        operations.check_upsert(location, is_ignored=is_ignored)
    return Step(
        kind,  # type: ignore[arg-type]
        location,
        data,
        read_key(given["id"], (*location, "id")) if "id" in given else (),
        _read_versions(given, location, operations),
        _read_unique(given.get("on_conflict"), (*location, "on_conflict")),
        is_ignored,
    )


def _read_versions(
    given: Mapping[str, Any], location: Location, operations: Operations
) -> Versions:
    tag = given.get("if_match")
    declaration = operations.declaration
    if tag is None:
        if declaration.require_if_match and given["op"] in {"update", "delete"}:
            raise RefusedError("precondition_required", "if_match is required here.")
        return ANY_VERSION
    if not isinstance(tag, str):
        raise refuse((*location, "if_match"), "etag", 'Must be a tag in quotes, as "\\"3\\""')
    conditions = read_conditions([tag], [], location=(*location, "if_match"))
    return read_versions(declaration, conditions)


def _read_unique(names: Any, location: Location) -> tuple[str, ...]:
    if names is None:
        return ()
    listed = names.split(",") if isinstance(names, str) else names
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise refuse(location, "on_conflict", "Must be names of fields")
    return tuple(listed)


def _is_ignored(value: Any, location: Location) -> bool:
    if value not in {None, "update", "ignore"}:
        raise refuse(location, "literal_error", "Must be update or ignore")
    return bool(value == "ignore")


async def run_batch(
    session: AsyncSession, operations: Operations, steps: Sequence[Step], *, is_atomic: bool
) -> list[Outcome | Failure]:
    """Run the steps in their order; neighbouring creates become one statement.

    Raises:
        RefusedError: A step of an atomic batch failed, or the written rows are too much for one
            answer; the caller rolls back.
        StatementError: The database refused a step of an atomic batch.
    """
    done: list[Outcome | Failure] = []
    budget = operations.budget(("body",))
    for group in _groups(steps):
        found = await _run_group(session, operations, group, is_atomic=is_atomic)
        for each in found:
            if isinstance(each, Outcome) and each.written is not None:
                row = each.written.row
                budget.spend_bytes(size_of(list(row), list(row.values())), "")
        done += found
    return done


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    groups: list[list[Step]] = []
    for step in steps:
        if groups and step.kind == "create" and groups[-1][0].kind == "create":
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


async def _run_group(
    session: AsyncSession, operations: Operations, group: Sequence[Step], *, is_atomic: bool
) -> list[Outcome | Failure]:
    if len(group) > 1:
        try:
            async with session.begin_nested():
                rows = [(step.data, (*step.location, "data")) for step in group]
                return [Outcome(201, written) for written in await operations.create_all(rows)]
        except (RefusedError, StatementError) as error:
            if not _is_own(error):
                raise
            # One of them is wrong: run them singly to find it.
    return [await _run_step(session, operations, step, is_atomic=is_atomic) for step in group]


async def _run_step(
    session: AsyncSession, operations: Operations, step: Step, *, is_atomic: bool
) -> Outcome | Failure:
    try:
        async with session.begin_nested():
            return await _RUNNERS[step.kind](operations, step)
    except (RefusedError, StaleDataError, StatementError) as error:
        if not _is_own(error):
            raise
        _locate(error, step.location)
        if is_atomic:
            raise
        return Failure(error)


def _is_own(error: Exception) -> bool:
    return not isinstance(error, StatementError) or fault_of(error).kind in _OWN_FAULTS


def _locate(error: Exception, location: Location) -> None:
    """Note on an error which operation failed, for the answer."""
    error.ormolu_location = location  # type: ignore[attr-defined]


async def _create(operations: Operations, step: Step) -> Outcome:
    return Outcome(201, await operations.create(step.data, (*step.location, "data")))


async def _update(operations: Operations, step: Step) -> Outcome:
    location = (*step.location, "data")
    written = await operations.update(
        step.key, step.data, versions=step.versions, location=location
    )
    return Outcome(200, written)


async def _upsert(operations: Operations, step: Step) -> Outcome:
    written, is_new = await operations.upsert(
        step.data, step.unique, ignore=step.is_ignored, location=(*step.location, "data")
    )
    return Outcome(201 if is_new else 200, written)


async def _delete(operations: Operations, step: Step) -> Outcome:
    await operations.remove(step.key, versions=step.versions)
    return Outcome(204)


async def _refuse(_operations: Operations, step: Step) -> Outcome:
    assert step.refusal is not None
    raise step.refusal


_RUNNERS: dict[str, Callable[[Operations, Step], Awaitable[Outcome]]] = {
    "create": _create,
    "update": _update,
    "upsert": _upsert,
    "delete": _delete,
    "refused": _refuse,
}
