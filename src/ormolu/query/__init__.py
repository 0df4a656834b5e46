"""Lists of rows: filters, sorting, cursors and selections over what may be seen. No HTTP."""

from ormolu.query._budgets import Budget, size_of
from ormolu.query._children import children_of, children_statement
from ormolu.query._conditions import (
    AllOf,
    Condition,
    compile_condition,
    describe,
    reads_relations,
    views_in,
)
from ormolu.query._cursors import Cursors
from ormolu.query._digits import SIGNIFICANT_DIGITS, sqlite_digit_check
from ormolu.query._filters import Filters, operators_of, spellings_of
from ormolu.query._guards import fetch_rows, guard, guard_each, is_guarded, is_unlimited
from ormolu.query._masked import is_secret_hint, revealed
from ormolu.query._members import member_texts
from ormolu.query._now import computes_now, element_of
from ormolu.query._parentheses import in_parentheses, is_text_sql
from ormolu.query._plain import is_plain, plain_type
from ormolu.query._rows import FetchChildren, Rows, make_rows
from ormolu.query._selection import Part, Row, Selection, prepare, read_selection, shown, walk
from ormolu.query._shown import as_shown, plain_value
from ormolu.query._sorting import (
    Sort,
    are_truncated,
    cursor_columns,
    read_sort,
    rows_after,
    sort_columns,
    sort_expressions,
)
from ormolu.query._stored import (
    is_converted,
    stored_type,
    stored_types,
    undecorated,
    variant_types,
)
from ormolu.query._text import equals, is_one_of
from ormolu.query._types import is_json, is_text
from ormolu.query._uncached import uncached_attributes
from ormolu.query._unique_keys import keys_of_table
from ormolu.query._unlimited import unlimited
from ormolu.query._variants import mismatched_types
from ormolu.query._views import Field, Location, Relation, Shape, View, entry_of, nearest, refuse

__all__ = [
    "SIGNIFICANT_DIGITS", "AllOf", "Budget", "Condition", "Cursors", "FetchChildren", "Field",
    "Filters", "Location", "Part", "Relation", "Row", "Rows", "Selection", "Shape", "Sort", "View",
    "are_truncated", "as_shown", "children_of", "children_statement", "compile_condition",
    "computes_now", "cursor_columns", "describe", "element_of", "entry_of", "equals", "fetch_rows",
    "guard", "guard_each", "in_parentheses", "is_converted", "is_guarded", "is_json", "is_one_of",
    "is_plain", "is_secret_hint", "is_text", "is_text_sql", "is_unlimited", "keys_of_table",
    "make_rows", "member_texts", "mismatched_types", "nearest", "operators_of", "plain_type",
    "plain_value", "prepare", "read_selection", "read_sort", "reads_relations", "refuse",
    "revealed", "rows_after", "shown", "size_of", "sort_columns", "sort_expressions",
    "spellings_of", "sqlite_digit_check", "stored_type", "stored_types", "uncached_attributes",
    "undecorated", "unlimited", "variant_types", "views_in", "walk",
]  # fmt: skip
