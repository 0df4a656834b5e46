"""Statements that leave nothing on their connection, and those that may."""

from __future__ import annotations

import pytest

from ormolu.backends import backend_named

SERVERS = ("postgresql", "mysql")


@pytest.mark.parametrize("dialect", SERVERS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 1;",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT users.id, users.name \nFROM users \nWHERE users.id = $1::INTEGER",
        "SELECT users.id FROM users WHERE users.id IN (%s, %s) LIMIT %s",
        "SELECT count(*) AS count_1 FROM (SELECT a.id AS id FROM a) AS anon_1",
        "WITH found AS (SELECT id FROM a) SELECT lower(name), CAST(n AS VARCHAR(10)) FROM found",
        "WITH RECURSIVE up(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM up) SELECT id FROM up",
        "select row_number() over (partition by a order by b) from c where (d = %(d_1)s)",
        "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id)",
        "SELECT a.id FROM a WHERE a.tags @> $1::JSONB AND a.words @@ to_tsquery('b')",
        "INSERT INTO users (name) VALUES ($1::VARCHAR) RETURNING users.id",
        'INSERT INTO "order" (n, m) SELECT p0, p1 FROM (VALUES ($1, $2, 0)) AS imp_sen(p0, p1, c)',
        "INSERT INTO a (b) VALUES (%s) AS new ON DUPLICATE KEY UPDATE b = new.b",
        "INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET b = excluded.b",
        "UPDATE users SET name=lower($1) WHERE users.id = $2",
        "DELETE FROM users WHERE (users.id = $1)",
        "SAVEPOINT sa_savepoint_1",
        "RELEASE SAVEPOINT sa_savepoint_1",
        "ROLLBACK TO SAVEPOINT sa_savepoint_1",
        "SELECT pg_advisory_xact_lock(7)",
        "SHOW search_path",
        "CREATE TABLE t (id INTEGER, PRIMARY KEY (id))",
    ],
)
def test_what_only_computes_and_stores(sql: str, dialect: str) -> None:
    """Any connection serves what follows."""
    assert backend_named(dialect).leaves_no_trace(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL app.tenant = '7'",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT set_config('app.tenant', $1, true)",
        "LOCK TABLE users IN SHARE MODE",
    ],
)
def test_what_ends_with_its_transaction(sql: str) -> None:
    """The end of the transaction takes it off; to MySQL, LOCAL means SESSION."""
    assert backend_named("postgresql").leaves_no_trace(sql)
    assert not backend_named("mysql").leaves_no_trace(sql)


@pytest.mark.parametrize("dialect", SERVERS)
@pytest.mark.parametrize(
    "sql",
    [
        "SET app.tenant = '7'",
        "SELECT set_config('app.tenant', $1, false)",
        "SELECT set_config('a', 'b', true), set_config('c', 'd', false)",
        "SELECT pg_catalog.set_config('app.tenant', '7', false)",
        'SELECT "set_config"($1, $2, $3)',
        "SELECT SET_CONFIG ('a', 'b', false)",
        "SELECT pg_advisory_lock(7)",
        "SELECT GET_LOCK('a', 1)",
        "SELECT users.id, become(users.id) FROM users",
        "INSERT INTO users (name) VALUES (become($1))",
        "SELECT @n := 1",
        "SELECT @@session.sql_mode",
        "SELECT id INTO @n FROM a",
        "SELECT id INTO TEMP b FROM a",
        "SELECT id INTO LOCAL TEMPORARY b FROM a",
        "SELECT SQL_CALC_FOUND_ROWS id FROM a",
        "SELECT 1; SET ROLE other",
        "BEGIN",
        "LISTEN news",
        "DECLARE rows CURSOR WITH HOLD FOR SELECT 1",
        "PREPARE one AS SELECT 1",
        "CREATE TEMPORARY TABLE t (id INT)",
        "CALL become(7)",
        "",
    ],
)
def test_what_may_leave_traces(sql: str, dialect: str) -> None:
    """What follows it is sent over the same connection, and nobody else uses that as it is."""
    assert not backend_named(dialect).leaves_no_trace(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT become(1)",
        "INSERT INTO a (b) VALUES (?)",
        "CREATE TABLE temps (id INTEGER)",
        "PRAGMA foreign_keys",
        'PRAGMA main.table_xinfo("a")',
        "PRAGMA foreign_key_check(a)",
        "PRAGMA optimize",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ],
)
def test_what_leaves_nothing_on_sqlite(sql: str) -> None:
    """A function there is the program's, and a PRAGMA may only ask."""
    assert backend_named("sqlite").leaves_no_trace(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA foreign_keys=OFF",
        "PRAGMA main.cache_size = 5",
        "pragma case_sensitive_like(1)",
        "/* a */ ATTACH 'a.db' AS a",
        "-- a\nDETACH a",
        "CREATE TEMP TABLE a (b)",
        "CREATE TABLE IF NOT EXISTS temp.a (b)",
        'CREATE VIEW "temp".a AS SELECT 1',
    ],
)
def test_what_may_leave_traces_on_sqlite(sql: str) -> None:
    """Settings, other files and temporary tables."""
    assert not backend_named("sqlite").leaves_no_trace(sql)
