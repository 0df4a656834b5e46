"""Conditions of a program's own in which text equals and matches itself alone.

MySQL's `=` ignores case, accents and blanks at the end unless a column says otherwise, and LIKE
ignores the case of ASCII's letters on SQLite. A column with a collation of its own keeps it.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Dialect, Select, String, case, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    Case,
    Cast,
    ClauseList,
    CollationClause,
    CollectionAggregate,
    ExpressionClauseList,
    Label,
    Over,
    Tuple,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import CompoundSelect, ScalarSelect, SelectBase
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from ormolu.backends._exact_casts import ExactMySQLCasts, ExactSQLiteCasts
from ormolu.backends._exact_enumerations import ExactEnumerations, may_be_member
from ormolu.backends._exact_json import ExactMySQLMembers, ExactSQLiteMembers, is_member
from ormolu.backends._exact_moments import (
    ExactMySQLMoments,
    ExactSQLiteMoments,
    may_be_moment,
)
from ormolu.backends._exact_truths import ExactTruths, has_bare_truth
from ormolu.backends._sides import is_text, stored_type, without_grouping, without_quantifier

__all__ = ["ExactText", "compile_exactly", "exact_text"]

_EQUALITIES = frozenset({operators.eq, operators.in_op})
_PATTERNS = frozenset(
    {
        operators.contains_op, operators.endswith_op, operators.icontains_op,
        operators.iendswith_op, operators.ilike_op, operators.istartswith_op, operators.like_op,
        operators.not_contains_op, operators.not_endswith_op, operators.not_icontains_op,
        operators.not_iendswith_op, operators.not_ilike_op, operators.not_istartswith_op,
        operators.not_like_op, operators.not_regexp_match_op, operators.not_startswith_op,
        operators.regexp_match_op, operators.startswith_op,
    }
)  # fmt: skip
_COMPARISONS = frozenset(
    {
        operators.between_op, operators.ge, operators.gt, operators.is_distinct_from,
        operators.is_not_distinct_from, operators.le, operators.lt, operators.ne,
        operators.not_between_op, operators.not_in_op, *_EQUALITIES, *_PATTERNS,
    }
)  # fmt: skip
_ESCAPED = {"%": "\U0010fffd", "_": "\U0010fffc"}
_ESCAPE = "\U0010fffb"


class ExactText(FunctionElement[bool]):
    """A condition in which text equals and matches itself alone, also in its subqueries."""

    inherit_cache: bool | None = True
    type: TypeEngine[bool] = Boolean()

    def __init__(self, condition: ColumnElement[Any]) -> None:
        """Enclose a condition."""
        super().__init__(condition)

    @property
    def condition(self) -> ColumnElement[Any]:
        """Return the condition as the program has written it."""
        return next(iter(self.clauses))

    def self_group(self, against: Any = None) -> Any:
        """Return itself: as a truth value it would be compared with 1, and no index serves that."""
        return self


def exact_text(condition: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a condition in which text equals and matches itself alone, on each prepared dialect.

    Args:
        condition: One of the program's.
    """
    is_exact = not any(map(_may_differ, visitors.iterate(condition)))
    return condition if is_exact else ExactText(condition)


def compile_exactly(dialect: Dialect, compiler: type[Any]) -> None:
    """Have a dialect, which is one engine's own, compile `ExactText` in its own way.

    Args:
        dialect: The dialect.
        compiler: What it does otherwise than others.
    """
    of_dialect = dialect.statement_compiler
    dialect.statement_compiler = type(of_dialect.__name__, (compiler, of_dialect), {})


@compiles(ExactText)
def _compile(element: ExactText, compiler: Any, **options: Any) -> str:
    outer = getattr(compiler, "is_exact", False)
    compiler.is_exact = True
    try:
        return f"({compiler.process(element.condition, **options)})"
    finally:
        compiler.is_exact = outer


class ExactLike(
    ExactTruths, ExactEnumerations, ExactSQLiteCasts, ExactSQLiteMoments, ExactSQLiteMembers
):
    """Compiles LIKE for SQLite: as GLOB, which ignores no case."""

    is_exact = False

    def visit_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        plain: Any = super().visit_like_op_binary
        text: str = (
            self._glob(binary, "GLOB", kw) if self.is_exact else plain(binary, operator, **kw)
        )
        return text

    def visit_not_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        plain: Any = super().visit_not_like_op_binary
        is_exact = self.is_exact
        text: str = (
            self._glob(binary, "NOT GLOB", kw) if is_exact else plain(binary, operator, **kw)
        )
        return text

    def _glob(self, binary: Any, word: str, kw: Any) -> str:
        text, pattern = self.process(binary.left, **kw), self.process(binary.right, **kw)
        for old, new in _steps(binary.modifiers.get("escape")):
            parts = [self.render_literal_value(each, String()) for each in (old, new)]
            pattern = f"replace({pattern}, {', '.join(parts)})"
        return f"{text} {word} {pattern}"


def _steps(escape: str | None) -> Iterator[tuple[str, str]]:
    """Yield what to replace in a pattern of LIKE by what, one after the other, for one of GLOB.

    SQLite computes it: the pattern may be a column.
    """
    # Noncharacters stand for what means itself, until the wildcards are written.
    kept = {} if escape is None else {escape: _ESCAPE, **_ESCAPED}
    yield from ((f"{escape}{letter}", place) for letter, place in kept.items())
    yield from ((letter, f"[{letter}]") for letter in "[*?")
    yield from (("%", "*"), ("_", "?"))
    for letter, place in kept.items():
        yield place, f"[{letter}]" if letter in "[*?" else letter


class ExactComparisons(
    ExactTruths, ExactEnumerations, ExactMySQLCasts, ExactMySQLMoments, ExactMySQLMembers
):
    """Compiles comparisons of text for MySQL: by code points, and first so that an index serves.

    DISTINCT, UNION and its like, GROUP BY and PARTITION BY compare, too.
    """

    is_exact = False

    def translate_select_structure(self, select_stmt: Any, **_kw: Any) -> Any:
        """Return a SELECT whose rows differ, and are grouped, by code points."""
        if not self.is_exact:
            return select_stmt
        within = self.stack[-1]["selectable"] if self.stack else None
        groups = self._finer(_groups_of(select_stmt), select_stmt)
        select = select_stmt.group_by(*groups) if groups else select_stmt
        if isinstance(within, CompoundSelect) or self.get_select_precolumns(select_stmt):
            select = self._distinctly(select)
        return select

    def visit_over(self, over: Any, **kw: Any) -> str:
        parted: Any = over.partition_by
        grouped = [] if parted is None or not self.is_exact else list(parted)
        parts = self._finer(grouped)
        if parts:
            over = copy.copy(over)
            over.partition_by = ClauseList(*grouped, *parts)
        plain: Any = super().visit_over
        text: str = plain(over, **kw)
        return text

    def visit_unary(self, unary: Any, **kw: Any) -> str:  # type: ignore[override]
        if self.is_exact and unary.operator is operators.distinct_op:
            exact = self._exactly(unary.element, unary.element)
            unary = unary if exact is None else exact.distinct()
        plain: Any = super().visit_unary
        text: str = plain(unary, **kw)
        return text

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        plain: Any = super().visit_binary
        exact = self._exactly(binary.left, binary.right) if self._compares(binary) else None
        made: Any = (
            binary
            if exact is None
            else BinaryExpression(
                exact, self._with_exact_rows(binary.right), binary.operator, type_=binary.type,
                modifiers=binary.modifiers,
            )
        )  # fmt: skip
        text: str = plain(made, **kw)
        if exact is None or binary.operator not in _EQUALITIES:
            return text
        # The first condition finds rows by an index, the second is exact.
        return f"({plain(binary, **kw)} AND {text})"

    def visit_case(self, clause: Any, **kw: Any) -> str:
        if self.is_exact and clause.value is not None:
            exact = self._exactly(clause.value, clause.whens[0][0])
            value = clause.value if exact is None else exact
            clause = case(*clause.whens, value=value, else_=clause.else_)
        plain: Any = super().visit_case
        text: str = plain(clause, **kw)
        return text

    def _with_exact_rows(self, side: Any) -> Any:
        """Return a side of an exact comparison, whose subquery's texts are by code points, too.

        MariaDB else looks into an index of theirs, by its collation, within CASE and NOT.
        """
        if isinstance(side, CollectionAggregate):
            quantified = copy.copy(side)
            quantified.element = self._with_exact_rows(side.element)
            return quantified
        select: Any = side.element if isinstance(side, ScalarSelect) else None
        return self._distinctly(select).scalar_subquery() if isinstance(select, Select) else side

    def _distinctly(self, select: Select[Any]) -> Select[Any]:
        """Return a SELECT of the same names, whose texts differ by code points."""
        names = [each.name for each in select.subquery().columns]
        columns = list(select.selected_columns)
        exact = [self._exactly(inner, inner) for inner in map(_without_label, columns)]
        if not any(each is not None for each in exact):
            return select
        found = zip(names, columns, exact, strict=True)
        return select.with_only_columns(
            *[each if text is None else text.label(name) for name, each, text in found],
            maintain_column_froms=True,
        )

    def _finer(self, parts: Iterable[Any], select: Select[Any] | None = None) -> list[Any]:
        """Return what to group by, too, so that texts of one group are the same."""
        inner = [_without_label(each, select) for each in parts]
        return [exact for each in inner if (exact := self._exactly(each, each)) is not None]

    def _compares(self, binary: Any) -> bool:
        return self.is_exact and binary.operator in _COMPARISONS

    def _exactly(self, left: Any, right: Any) -> Any:
        """Return the left side in a form that compares exactly; None if it does already."""
        inner = without_grouping(left)
        if isinstance(inner, Tuple):
            parts = [self._exactly(each, each) for each in inner.clauses]
            if not any(each is not None for each in parts):
                return None
            pairs = zip(parts, inner.clauses, strict=True)
            return tuple_(*[each if part is None else part for part, each in pairs])
        others = without_grouping(right)
        # BETWEEN has two.
        has_two = isinstance(others, ExpressionClauseList)
        sides = (left, *(others.clauses if has_two else [right]))
        # Of what SQLAlchemy knows no type it may be text; numbers compare the same as texts do.
        are_texts = any(is_text(each, self.dialect) for each in sides) or all(
            isinstance(stored_type(each, self.dialect), NullType) for each in sides
        )
        is_chosen = any(_has_collation(each, self.dialect) for each in sides)
        return self.by_code_points(left) if are_texts and not is_chosen else None

    def by_code_points(self, text: Any) -> Any:
        """Return text so that it compares by its code points."""
        raise NotImplementedError


def _groups_of(select: Select[Any]) -> list[Any]:
    """Return what a SELECT groups by: what it is without its GROUP BY, less than it is."""
    others = Counter(map(id, select.group_by(None).get_children()))
    children = {id(each): each for each in select.get_children()}
    found = [children[each] for each in Counter(map(id, select.get_children())) - others]
    # A function's columns stand in a list.
    return [part for each in found for part in (each if isinstance(each, ClauseList) else [each])]


def _without_label(part: Any, select: Select[Any] | None = None) -> Any:
    """Return what stands under a label, or under the name of one of a SELECT's columns."""
    if part.__visit_name__ == "textual_label_reference":
        found = None if select is None else select.selected_columns.get(part.element)
        return part if found is None else _without_label(found)
    is_label = isinstance(part, Label) or part.__visit_name__ == "label_reference"
    return _without_label(part.element) if is_label else part


def _may_differ(part: Any) -> bool:
    """Tell whether some backend may compute another thing of a part than others do."""
    if isinstance(part, (Cast, Over, SelectBase)) or is_member(part):
        return True
    if may_be_moment(part) or may_be_member(part) or has_bare_truth(part):
        return True
    if isinstance(part, Case):
        return part.value is not None and _may_be_text(part.value)
    is_comparison = isinstance(part, BinaryExpression) and part.operator in _COMPARISONS
    return is_comparison and (_may_be_text(part.left) or _may_be_text(part.right))


def _may_be_text(side: Any) -> bool:
    inner = without_quantifier(side)
    if isinstance(inner, Tuple):
        return any(map(_may_be_text, inner.clauses))
    return isinstance(getattr(inner, "type", None), (String, TypeDecorator, NullType))


def _has_collation(side: Any, dialect: Dialect) -> bool:
    if getattr(stored_type(side, dialect), "collation", None):
        return True
    parts = () if isinstance(without_grouping(side), SelectBase) else visitors.iterate(side)
    return any(isinstance(part, CollationClause) for part in parts)
