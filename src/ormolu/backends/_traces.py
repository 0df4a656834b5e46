"""Whether a statement leaves something on its connection, judged by its text."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["LETTERS", "is_quiet"]

# Letters of a statement whose judgement is kept; of longer ones there may be any number.
LETTERS = 5000

_QUERY = re.compile(
    r"[\s(]*(?:SELECT|WITH|VALUES|EXPLAIN|INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE
)

# What stands before an opening parenthesis: a name that is called, unless it is one of a table.
_CALL = re.compile(
    r"""\b(?:INTO|AS|RECURSIVE)\s+[\w.$"`\]]+\s*\(|([\w.$"`\]]*)\s*\(""", re.IGNORECASE
)

# Variables of MySQL and what it keeps of a query for the next one, and temporary tables.
_KEPT = re.compile(
    r"""@@?[\w'"`.$]|;\s*\S|\bSQL_CALC_FOUND_ROWS\b|\bINTO\s+(?:\w+\s+)?TEMP|\bpg_temp\b""",
    re.IGNORECASE,
)

# Words of the language, and functions that only compute; any other may do anything.
_PURE = """
all and any array as between by case check conflict distinct else except exists explain filter from
group in insert intersect into join key lateral like ilike limit materialized not offset on or order
over returning row select set some then union update using values when where with within bigint bit
char character decimal float integer interval numeric time timestamp varchar varying abs any_value
array_agg array_append array_cat array_length array_position array_remove avg bool_and bool_or
cardinality cast ceil ceiling char_length clock_timestamp coalesce concat concat_ws convert count
crypt cume_dist curdate current_setting current_timestamp date date_add date_format date_part
date_sub date_trunc datediff decode dense_rank digest encode every exp extract field first_value
floor format gen_random_uuid gen_salt greatest group_concat hex if ifnull json_agg json_array
json_arrayagg json_build_array json_build_object json_contains json_extract json_object
json_objectagg json_remove json_set json_unquote json_value jsonb_agg jsonb_array_elements
jsonb_array_length jsonb_build_array jsonb_build_object jsonb_object_agg jsonb_path_exists
jsonb_set jsonb_strip_nulls jsonb_typeof lag last_value lead least left length ln locate lower lpad
ltrim make_date make_interval max md5 min mod month nextval now ntile nullif octet_length
percent_rank pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_notify pg_sleep
pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared phraseto_tsquery plainto_tsquery position
power rand random rank regexp_replace repeat replace reverse right round row_number row_to_json rpad
rtrim setweight sha256 sign similarity sleep split_part sqrt stddev string_agg strpos substr
substring sum timestampdiff to_char to_date to_json to_jsonb to_timestamp to_tsquery to_tsvector
trim trunc ts_headline ts_rank unix_timestamp unnest upper utc_timestamp uuid uuid_generate_v4
uuidv4 uuidv7 variance websearch_to_tsquery word_similarity year
"""
_KNOWN = frozenset(_PURE.split())


def is_quiet(sql: str, quiet: str, local: str | None) -> bool:
    """Tell whether a statement leaves nothing on its connection beyond its transaction.

    Args:
        sql: The statement as it is sent. What cannot be judged is not quiet.
        quiet: A pattern for the first words of statements that are no queries, and leave nothing.
        local: A pattern for calls that end with their transaction; None if there are none.
    """
    judge = _known_judgement if len(sql) <= LETTERS else _judge
    return judge(sql, quiet, local)


def _judge(sql: str, quiet: str, local: str | None) -> bool:
    if _KEPT.search(sql) is not None:
        return False
    if _QUERY.match(sql) is None:
        return re.match(rf"\s*(?:{quiet})\b", sql, re.IGNORECASE | re.DOTALL) is not None
    asked = sql if local is None else re.sub(local, "", sql, flags=re.IGNORECASE)
    return all(name.lower() in _KNOWN for name in _CALL.findall(asked) if name)


_known_judgement = lru_cache(maxsize=2048)(_judge)
