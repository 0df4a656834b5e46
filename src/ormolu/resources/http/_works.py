"""What the works of one resource share, and what keeps it from having them.

A work keeps the statements of one operation as plans, by what requests ask for. A lane runs them
with the values of each request.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy import Dialect
from starlette.types import Scope

from ormolu.lanes import Plan
from ormolu.query import is_plain, plain_type
from ormolu.resources.declare import Exposure, Policies, has_events
from ormolu.resources.http._hybrids import Hybrids
from ormolu.resources.http._requests import read_key
from ormolu.resources.work import SHAPES, Key, Plans, variant_of
from ormolu.web import NoDoorError

__all__ = ["Opening", "Work"]


class Opening:
    """What the works of one resource in one database share, for policies of one structure.

    Attributes:
        declaration: What was declared.
        exposure: What is shown of it, and of what its relations lead to.
        view: What may be seen.
        shapes: How many shapes of requests have plans that are kept, of one operation.
        variant: What tells the form of a whole row apart from what others are shown.
        plans: The plans.
        dialect: What they are written for.
        hybrids: What Python computes for the statements.
    """

    def __init__(self, exposure: Exposure, dialect: Dialect, policies: Policies | None) -> None:
        """Look at what a resource shows.

        Args:
            exposure: What is shown.
            dialect: Of the engine.
            policies: With slots for their values; None for whoever asks before FastAPI does.

        Raises:
            NoDoorError: That depends on each request.
        """
        self.declaration = declaration = exposure.declaration
        if policies is None and declaration.policy is not None:
            message = "its policy is asked for each request"
            raise NoDoorError(message)
        self.exposure = exposure
        self.view = exposure.view(policies)
        if policies is None and any(each.declaration.policy for each in exposure.reached):
            # What relations lead to depends on each request.
            self.view = replace(self.view, relations={})
        self.shapes = SHAPES if policies is None else SHAPES // 4
        self.variant = variant_of(self.view, exposure.view(None))
        self.hybrids = Hybrids(each.view(None) for each in exposure.reached)
        self.plans = Plans(declaration, self.view, dialect, exposure.policy(policies))
        self.dialect = dialect

    @cached_property
    def is_shared(self) -> bool:
        """Tell whether what is made of rows is the same for all who ask for them.

        What code of the program's own makes may depend on the request: on its language, say.
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
        # Of a row that is deleted nothing is shown, and nothing set.
        is_delete = operation == "delete"
        if not (traits.is_one_row if is_delete else traits.is_plain):
            message = "its rows are written by the ORM: inheritance, validators, own versions"
            raise NoDoorError(message)
        constructor = traits.constructor
        if operation == "create" and constructor.is_own:
            message = f"its rows are made by its own {constructor.own_name}"
            raise NoDoorError(message)
        if has_events(declaration.mapper, is_delete=is_delete):
            message = "the program listens to its mapper's events"
            raise NoDoorError(message)
        hooks = {f"before_{operation}", f"after_{operation}", "after_commit"}
        named = sorted(hooks & set(declaration.hooks))
        if named:
            message = f"it has hooks: {', '.join(named)}"
            raise NoDoorError(message)


class Work:
    """The statements of one operation that are kept.

    Attributes:
        is_read: Whether it changes nothing.
        opening: What all works of the resource share.
        usual: The plan that a usual request is answered by.
    """

    is_read = False
    usual: Plan

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.declaration = opening.declaration
        keys = self.declaration.keys
        type_ = plain_type(keys[0].type, opening.dialect)
        # Nine digits fit, except into a SMALLINT.
        is_number = isinstance(type_, sa.Integer) and not isinstance(type_, sa.SmallInteger)
        self._has_number = len(keys) == 1 and is_number

    def key(self, scope: Scope) -> Key:
        """Return the primary key in the path of a request.

        Raises:
            Exception: There is none.
        """
        if self._has_number:
            digits: str = scope["path"].rpartition("/")[2]
            # Of nine digits: within what every INTEGER holds. Sent so: a slash may be escaped.
            if (
                digits.isascii() and digits.isdigit() and len(digits) < 10
                and (scope.get("raw_path") or b"").endswith(b"/%b" % digits.encode())
            ):  # fmt: skip
                return (int(digits),)
        return read_key(scope, self.declaration.keys, self.declaration.name)
