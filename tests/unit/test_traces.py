"""Statements that leave nothing on their connection, and those that may."""

from __future__ import annotations

import pytest

from ormolu.engines._traces import leaves_no_trace


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT users.id, users.name \nFROM users \nWHERE users.id = $1::INTEGER",
        "SELECT users.id FROM users WHERE users.id IN (%s, %s) LIMIT %s",
        "SELECT count(*) AS count_1 FROM (SELECT a.id AS id FROM a) AS anon_1",
        "WITH found AS (SELECT id FROM a) SELECT lower(name), CAST(n AS VARCHAR(10)) FROM found",
        "select row_number() over (partition by a order by b) from c where (d = %(d_1)s)",
        "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id)",
    ],
)
def test_queries_that_only_compute(sql: str) -> None:
    """Any connection serves what follows them."""
    assert leaves_no_trace(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET app.tenant = '7'",
        "SELECT set_config('app.tenant', $1, false)",
        "SELECT pg_catalog.set_config('app.tenant', '7', false)",
        'SELECT "set_config"($1, $2, $3)',
        "SELECT SET_CONFIG ('a', 'b', false)",
        "SELECT pg_advisory_lock(7)",
        "SELECT users.id, become(users.id) FROM users",
        "SELECT @n := 1",
        "SELECT id INTO @n FROM a",
        "SELECT SQL_CALC_FOUND_ROWS id FROM a",
        "SELECT 1; SET ROLE other",
        "BEGIN",
        "DECLARE rows CURSOR WITH HOLD FOR SELECT 1",
        "SHOW search_path",
        "PREPARE one AS SELECT 1",
        "CREATE TEMPORARY TABLE t (id INT)",
        "",
    ],
)
def test_what_may_leave_traces(sql: str) -> None:
    """What follows it is sent over the same connection."""
    assert not leaves_no_trace(sql)
