"""What the works of one resource share, and the reasons for which it has none.

A work keeps the plans of one operation, by what requests ask for. A lane runs them with the values
of each request.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy import Dialect
from starlette.types import Scope

from ormolu.lanes import Plan
from ormolu.query import View, is_plain, plain_type, uncached_attributes
from ormolu.resources.declare import Declaration, Exposure, Policies, has_model_listeners
from ormolu.resources.http._hybrids import Hybrids
from ormolu.resources.http._requests import read_key
from ormolu.resources.work import MAX_PLANS, Key, Plans, variant_of
from ormolu.web import NoDoorError

__all__ = ["Work", "WorkContext"]


class WorkContext:
    """What the works of one resource share, for one dialect and policies of one structure.

    Attributes:
        declaration: The declaration of the resource.
        exposure: The exposure of the resource.
        view: What may be seen.
        max_plans: The most plans that one work keeps.
        variant: The suffix of ETags where the policies hide a part of the row.
        plans: Makes the plans.
        dialect: The dialect of the plans.
        hybrids: The hybrid properties whose SQL must not change.
    """

    def __init__(self, exposure: Exposure, dialect: Dialect, policies: Policies | None) -> None:
        """Look at what a resource shows.

        Args:
            exposure: The exposure of the resource.
            dialect: Of the engine.
            policies: With slots for their values; None where no policies were resolved.

        Raises:
            NoDoorError: It depends on each request.
        """
        self.declaration: Declaration = exposure.declaration
        declaration = exposure.declaration
        if policies is None and declaration.policy is not None:
            message = "its policy is asked for each request"
            raise NoDoorError(message)
        _check_mapped_sql(exposure)
        self.exposure: Exposure = exposure
        self.view: View = exposure.view(policies)
        if policies is None and any(each.declaration.policy for each in exposure.reached):
            # The policies of what relations lead to depend on each request.
            self.view = replace(self.view, relations={})
        self.max_plans: int = MAX_PLANS if policies is None else MAX_PLANS // 4
        self.variant: str = variant_of(self.view, exposure.view(None))
        self.hybrids: Hybrids = Hybrids(each.view(None) for each in exposure.reached)
        self.plans: Plans = Plans(declaration, self.view, dialect, exposure.policy(policies))
        self.dialect: Dialect = dialect

    @cached_property
    def is_shared(self) -> bool:
        """Tell whether all requests for a row get the same answer.

        What the program's own code makes of it may depend on the request: on its language, say.
        """
        reached = self.exposure.reached
        views = [each.view(None) for each in reached]
        types = [field.type for view in views for field in (*view.fields.values(), *view.keys)]
        has_own = any(view.shape is not None for view in views)
        return not has_own and all(is_plain(type_, self.dialect) for type_ in types)

    def check_writes(self, operation: str) -> None:
        """Check that a statement alone writes a row.

        Args:
            operation: create, update or delete.

        Raises:
            NoDoorError: The program has a part in it.
        """
        declaration, traits = self.declaration, self.declaration.traits
        # A delete shows no row and sets no value.
        is_delete = operation == "delete"
        if not (traits.is_one_row if is_delete else traits.is_plain):
            message = "its rows are written by the ORM: inheritance, validators, own versions"
            raise NoDoorError(message)
        if operation == "create":
            self.check_constructor()
        if has_model_listeners(declaration.mapper, is_delete=is_delete):
            message = "the program listens to its mapper's events"
            raise NoDoorError(message)
        hooks = {f"before_{operation}", f"after_{operation}", "after_commit"}
        named = sorted(hooks & set(declaration.hooks))
        if named:
            message = f"it has hooks: {', '.join(named)}"
            raise NoDoorError(message)

    def check_constructor(self) -> None:
        """Check that a new row is made of its values alone.

        Raises:
            NoDoorError: The program has a part in it.
        """
        constructor = self.declaration.traits.constructor
        if constructor.is_own:
            message = f"its rows are made by its own {constructor.own_name}"
            raise NoDoorError(message)


def _check_mapped_sql(exposure: Exposure) -> None:
    """Check the SQL of classes: of their column properties and relations.

    Raises:
        NoDoorError: A part of it is compiled for each execution.
    """
    for each in exposure.reached:
        names = uncached_attributes(each.declaration.mapper)
        if names:
            listed = ", ".join(sorted(names))
            message = f"SQL that has no cache key may be another one each time: {listed}"
            raise NoDoorError(message)


class Work:
    """The plans of one operation.

    Attributes:
        is_read: Whether it changes nothing.
        context: What all works of the resource share.
        sample_plan: The plan of a plain request, which `explain` shows.
    """

    is_read = False
    sample_plan: Plan

    def __init__(self, context: WorkContext) -> None:
        self.context: WorkContext = context
        self.declaration: Declaration = context.declaration
        keys = self.declaration.keys
        type_ = plain_type(keys[0].type, context.dialect)
        # Nine digits fit into every integer type but SMALLINT.
        is_number = isinstance(type_, sa.Integer) and not isinstance(type_, sa.SmallInteger)
        self._has_number = len(keys) == 1 and is_number

    def key(self, scope: Scope) -> Key:
        """Return the primary key in the path of a request.

        Raises:
            Exception: There is none.
        """
        if self._has_number:
            digits: str = scope["path"].rpartition("/")[2]
            # Fast path: nine digits fit. The raw path must end in them, since `%2F` hides a slash.
            if (
                digits.isascii() and digits.isdigit() and len(digits) < 10
                and (scope.get("raw_path") or b"").endswith(b"/%b" % digits.encode())
            ):  # fmt: skip
                return (int(digits),)
        return read_key(scope, self.declaration.keys, self.declaration.name)
