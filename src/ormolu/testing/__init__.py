"""What the tests of an application need: a PostgreSQL server, fixtures, counters, faults.

Loaded by tests, and by commands that measure on a throw-away server; never by an application.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ormolu.testing._blocking import assert_no_loop_block as assert_no_loop_block
    from ormolu.testing._clock import Clock as Clock
    from ormolu.testing._clock import frozen_clock as frozen_clock
    from ormolu.testing._counting import SentStatement as SentStatement
    from ormolu.testing._counting import Statements as Statements
    from ormolu.testing._counting import assert_statements as assert_statements
    from ormolu.testing._counting import count_statements as count_statements
    from ormolu.testing._factories import ModelFactory as ModelFactory
    from ormolu.testing._faults import Injected as Injected
    from ormolu.testing._faults import disconnect as disconnect
    from ormolu.testing._faults import fail_commit as fail_commit
    from ormolu.testing._faults import fail_nth_statement as fail_nth_statement
    from ormolu.testing._faults import slow as slow
    from ormolu.testing._lost_updates import assert_no_lost_updates as assert_no_lost_updates
    from ormolu.testing._ordering import (
        assert_committed_before_response as assert_committed_before_response,
    )
    from ormolu.testing._postgresql import PostgreSQLServer as PostgreSQLServer
    from ormolu.testing._postgresql import postgresql as postgresql
    from ormolu.testing._standby import PostgreSQLStandby as PostgreSQLStandby
    from ormolu.testing._standby import postgresql_standby as postgresql_standby

_PLACES = {
    "assert_committed_before_response": "ormolu.testing._ordering",
    "ModelFactory": "ormolu.testing._factories",
    "assert_no_loop_block": "ormolu.testing._blocking",
    "assert_no_lost_updates": "ormolu.testing._lost_updates",
    **dict.fromkeys(("Clock", "frozen_clock"), "ormolu.testing._clock"),
    **dict.fromkeys(
        ("SentStatement", "Statements", "assert_statements", "count_statements"),
        "ormolu.testing._counting",
    ),
    **dict.fromkeys(
        ("Injected", "disconnect", "fail_commit", "fail_nth_statement", "slow"),
        "ormolu.testing._faults",
    ),
    **dict.fromkeys(("PostgreSQLServer", "postgresql"), "ormolu.testing._postgresql"),
    **dict.fromkeys(("PostgreSQLStandby", "postgresql_standby"), "ormolu.testing._standby"),
}

__all__ = [
    "Clock",
    "Injected",
    "ModelFactory",
    "PostgreSQLServer",
    "PostgreSQLStandby",
    "SentStatement",
    "Statements",
    "assert_committed_before_response",
    "assert_no_loop_block",
    "assert_no_lost_updates",
    "assert_statements",
    "count_statements",
    "disconnect",
    "fail_commit",
    "fail_nth_statement",
    "frozen_clock",
    "postgresql",
    "postgresql_standby",
    "slow",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value
