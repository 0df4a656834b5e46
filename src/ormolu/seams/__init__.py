"""What other libraries promise nobody, and is read all the same: one file a library.

Their private names stand here, and in `web/_fastapi.py`, and nowhere else. Where one is gone a line
in the log says so, once, and whoever asked takes the ordinary way: that of the library itself.
"""

from ormolu.seams._asyncpg import (
    cancelling_class,
    has_open_transaction,
    socket_of,
    transport_of,
)
from ormolu.seams._missing import tell_missing
from ormolu.seams._pydantic import old_pattern
from ormolu.seams._sqlalchemy import (
    DefaultContext,
    add_strategy,
    adder_of,
    cache_key_of,
    column_in_making,
    compiled_parameters,
    count_attributes,
    expired_names,
    has_criteria,
    initializer_below,
    is_clean,
    is_invalidated,
    is_making_default,
    knows_schema_time,
    mapper_asked_for,
    note_owner,
    owner_path,
    relation_in_loading,
    result_columns,
    result_maker,
    select_parts,
    selectin_columns,
    session_key,
    structure_of,
    tell_schema_time,
    variants_of,
)
from ormolu.seams._uvicorn import (
    connection_between_requests,
    has_departed,
    renew_keep_alive,
)

__all__ = [
    "DefaultContext",
    "add_strategy",
    "adder_of",
    "cache_key_of",
    "cancelling_class",
    "column_in_making",
    "compiled_parameters",
    "connection_between_requests",
    "count_attributes",
    "expired_names",
    "has_criteria",
    "has_departed",
    "has_open_transaction",
    "initializer_below",
    "is_clean",
    "is_invalidated",
    "is_making_default",
    "knows_schema_time",
    "mapper_asked_for",
    "note_owner",
    "old_pattern",
    "owner_path",
    "relation_in_loading",
    "renew_keep_alive",
    "result_columns",
    "result_maker",
    "select_parts",
    "selectin_columns",
    "session_key",
    "socket_of",
    "structure_of",
    "tell_missing",
    "tell_schema_time",
    "transport_of",
    "variants_of",
]
