"""Members of JSON in policies: NULL where they are missing or of another kind, on every backend."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import JSON, ForeignKey, MetaData, String, exists, func, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql import operators, visitors

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.backends import step_by_step
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Paper(Base):
    __tablename__ = "policy_papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(9), default="")
    plain: Mapped[Any] = mapped_column(JSON)
    binary: Mapped[Any] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))
    above_id: Mapped[int | None] = mapped_column(ForeignKey("policy_papers.id"))
    above: Mapped[Paper | None] = relationship(remote_side="Paper.id")


DOCUMENTS: list[Any] = [
    {"word": "ann", "level": 1, "open": True, "deep": {"word": "ann"}, "list": ["ann", "bo"],
     "row": ["ann"]},
    {"word": "ANN", "level": 0, "open": False, "deep": {"word": None}, "list": ["bo"],
     "row": "ann"},
    {"word": "ann ", "level": "x", "open": "yes", "deep": [], "list": [], "row": {"0": "ann"}},
    {"word": None, "level": None, "open": None, "deep": None},
    {},
    {"word": 1, "level": 1.5, "open": 1},
]  # fmt: skip
Rule = Callable[[Any], Any]
FORMS: dict[str, tuple[Rule, set[int]]] = {
    "text": (lambda data: data["word"].as_string() == "ann", {1}),
    "list of texts": (lambda data: data["word"].as_string().in_(["ann", "bo"]), {1}),
    "other text": (lambda data: data["word"].as_string() != "ann", {2, 3, 6}),
    "there": (lambda data: data["word"].is_not(None), {1, 2, 3, 4, 6}),
    "not there": (lambda data: data["word"].is_(None), {5}),
    "there below": (lambda data: data["deep"]["word"].is_not(None), {1, 2}),
    "there by path": (lambda data: data["deep", "word"].is_not(None), {1, 2}),
    "in a row": (lambda data: data["row"][0].as_string() == "ann", {1}),
    "in a row by path": (lambda data: data["row", 0].as_string() == "ann", {1}),
    "in an object by path": (lambda data: data["row", "0"].as_string() == "ann", {3}),
    "open": (lambda data: data["open"].as_boolean(), {1}),
    "not open": (lambda data: ~data["open"].as_boolean(), {2}),
    "not known to be open": (lambda data: data["open"].as_boolean().is_not(True), {2, 3, 4, 5, 6}),
    "true in words": (lambda data: data["open"].as_string() == "true", {1}),
    "other words": (lambda data: data["open"].as_string().not_in(["false", "1"]), {1, 3}),
    "level": (lambda data: data["level"].as_integer() == 1, {1}),
    "no level": (lambda data: data["level"].as_integer() == 0, {2}),
    "low level": (lambda data: data["level"].as_float() < 1.2, {1, 2}),
    "unknown level": (lambda data: func.coalesce(data["level"].as_float(), 7.0) == 7, {3, 4, 5}),
}  # fmt: skip


LISTS: dict[str, Rule] = {
    "same list": lambda data: data["list"] == ["ann", "bo"],
    "other list": lambda data: data["list"] != type_coerce(["ann", "bo"], JSON),
}


def paper_policy(form: Annotated[str, Header()], column: Annotated[str, Header()]) -> Policy:
    rule = LISTS[form] if form in LISTS else FORMS[form][0]
    return Policy(visible=rule(getattr(Paper, column)))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Paper, path="/papers", policy=paper_policy))
    slow = resource(Paper, path="/slow", policy=paper_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found, served.db.unit_of_work() as session:
        session.add_all([Paper(plain=each, binary=each) for each in DOCUMENTS])
        await session.commit()
        yield found


@pytest.mark.long
@pytest.mark.parametrize("column", ["plain", "binary"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_member_is_what_it_is_called(
    client: httpx2.AsyncClient, form: str, column: str
) -> None:
    """Lists and writes see the same rows, by lanes and by sessions, whatever the others hold."""
    headers = {"form": form, "column": column}
    for path in ("/papers", "/slow"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        assert {each["id"] for each in answer.json()["items"]} == FORMS[form][1]
    for key in range(1, len(DOCUMENTS) + 1):
        answer = await client.patch(f"/papers/{key}", json={"title": "x"}, headers=headers)
        assert answer.status_code == (200 if key in FORMS[form][1] else 404), answer.text


@pytest.mark.backends("sqlite", "mariadb")
@pytest.mark.parametrize(("form", "keys"), [("same list", [1]), ("other list", [2, 3])])
async def test_a_document_is_compared_without_its_blanks(
    client: httpx2.AsyncClient, form: str, keys: list[int]
) -> None:
    """SQLite returns a member without blanks between its parts; a value is sent with them."""
    answer = await client.get("/papers", headers={"form": form, "column": "plain"})
    assert [each["id"] for each in answer.json()["items"]] == keys


@pytest.mark.parametrize(
    "condition",
    [
        Paper.plain["word"] == "ann", Paper.plain["word"] != "ann", Paper.plain["level"] == 1,
        Paper.plain["word"].in_(["ann"]), Paper.binary["open"] != True,  # noqa: E712
        Paper.plain["word"] == Paper.title, Paper.plain["level"] != Paper.id,
    ],
    ids=str,
)  # fmt: skip
def test_a_document_is_compared_with_no_text(
    condition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """In JSON a word has quotes around it: each would differ from itself."""
    caplog.set_level(logging.ERROR, "ormolu")
    with pytest.raises(UsageError, match=r"policy of resource\(Paper\) compares"):
        checked_policy(Policy(visible=condition), Paper)
    assert ".as_string()" in caplog.text


@pytest.mark.parametrize(
    "condition",
    [
        Paper.plain["word"].as_string() == "ann", Paper.plain["list"] == ["ann"],
        Paper.plain["word"] == JSON.NULL, Paper.plain["word"].is_(None),
        Paper.plain["level"].as_integer() == Paper.id, Paper.plain == {"word": "ann"},
        Paper.plain["word"] == type_coerce("ann", JSON), Paper.plain == Paper.binary,
        Paper.title == Paper.plain["word"].as_string(),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_of_one_kind_is_compared(condition: Any) -> None:
    assert checked_policy(Policy(visible=condition), Paper).visible is condition


@pytest.mark.parametrize(
    "key", ['a"."b', '"', "a\\", "\t", "\0", "-a", -1, 2**31, ("a", 'b"'), ("a", -1)]
)
def test_a_member_has_a_name_that_each_database_reads(
    key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A quote ended the name, and the policy asked for another member, or for none at all."""
    caplog.set_level(logging.ERROR, "ormolu")
    plain = ("a", "b") if isinstance(key, tuple) else 0 if isinstance(key, int) else "a b's"
    for each, column in ((plain, Paper.plain), (plain, Paper.binary)):
        checked_policy(Policy(visible=column[each].as_string().is_(None)), Paper)
    for column in (Paper.plain, Paper.binary):
        with pytest.raises(UsageError, match="by a name that not each database reads"):
            checked_policy(Policy(visible=column[key].as_string().is_(None)), Paper)
    assert "no minus in front" in caplog.text


def test_no_row_names_the_member_of_another(caplog: pytest.LogCaptureFixture) -> None:
    """To SQLite and MariaDB the name would be a path."""
    caplog.set_level(logging.ERROR, "ormolu")
    named = Paper.plain[Paper.title].as_string()
    with pytest.raises(UsageError, match="a member of plain whose name the database computes"):
        checked_policy(Policy(visible=named == "ann"), Paper)
    assert "Give it as a value" in caplog.text


@pytest.mark.parametrize("key", [("row", 0), ("row", "0"), (0,)], ids=str)
def test_steps_are_taken_in_subqueries(key: Any) -> None:
    """Of has() and any(), too, in which SQLAlchemy replaces nothing."""
    member = Paper.plain[key].as_string().is_(None)
    for condition in (member, ~member, Paper.above.has(member), exists().where(~member)):
        parts: Any = visitors.iterate(step_by_step(condition))
        found = {getattr(part, "operator", None) for part in parts}
        assert operators.json_path_getitem_op not in found
        assert operators.json_getitem_op in found
