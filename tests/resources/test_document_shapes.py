"""The OpenAPI document is valid whatever a model is like, and says what requests may say."""

from __future__ import annotations

import enum
import json
import logging
import random
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI, Header, Query
from pydantic import BaseModel
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.shop import main as shop
from examples.users import main as users
from ormolu import Database, Model, Policy, resource
from ormolu.resources.declare._declaration import OPERATIONS
from ormolu.resources.work._lists import PARAMETERS
from tests.fixtures.apps import client_of
from tests.resources import people, quotas

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Größe(Base):
    """Named in German."""

    __tablename__ = "größen"

    schlüssel: Mapped[str] = mapped_column(String(20), primary_key=True)
    maß: Mapped[float] = mapped_column(default=float("inf"))
    land: Mapped[str] = mapped_column(String(20), default="\ud800")


class Cell(Base):
    """Most of it cannot be compared."""

    __tablename__ = "cells"

    sheet_id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(String(20), primary_key=True)
    content: Mapped[dict[str, Any]]
    content__isnull: Mapped[bool]


class Here:
    """Holds one of two enums of one name."""

    class Kind(enum.Enum):
        """The one."""

        A = "a"


class There:
    """Holds the other."""

    class Kind(enum.Enum):
        """The other."""

        B = "b"


class Left(Base):
    __tablename__ = "lefts"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Here.Kind] = mapped_column(Enum(Here.Kind, name="kind_here"))


class Right(Base):
    __tablename__ = "rights"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[There.Kind] = mapped_column(Enum(There.Kind, name="kind_there"))
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    left_id: Mapped[int | None] = mapped_column(ForeignKey("lefts.id"))
    left: Mapped[Left | None] = relationship()


class Problem(BaseModel):
    """Somebody's own, called as ours."""

    mine: int


class ValidationError(BaseModel):
    """Somebody's own, called as FastAPI's."""

    mine: int


async def guarded(
    prefer: Annotated[str | None, Header()] = None, limit: Annotated[int, Query()] = 5
) -> Policy:
    """Take what lists take, too."""
    return Policy(visible=True)


def odd_app(db: Database) -> FastAPI:
    """Return an application in which names clash wherever they can."""
    app = FastAPI()
    db.attach(app)

    @app.get("/problem")
    async def problem(number: int) -> Problem:
        return Problem(mine=number)

    @app.get("/error")
    async def error(number: int) -> ValidationError:
        return ValidationError(mine=number)

    for model in (Größe, Left, Right):
        app.include_router(resource(model, policy=guarded))
    for prefix, path in (("/books/{book}", "/a/b"), ("/{year}", "/a_b"), ("", "/a-b")):
        app.include_router(resource(Cell, path=path), prefix=prefix)
    app.include_router(resource(Left, path="/nothing", operations={"batch"}))
    return app


APPS = {
    "shop": lambda: shop.make_app(Database("sqlite://")),
    "users": lambda: users.app,
    "people": lambda: people.app_of(Database("sqlite://", metadata=people.Base.metadata)),
    "quotas": lambda: quotas.app_of(quotas.database_of("sqlite://")),
    "odd": lambda: odd_app(Database("sqlite://", metadata=Base.metadata)),
}


_WORDS = (*PARAMETERS, "and", "or", "not", "any", "eq", "in", "name", "name__in", "is__null",
          "limit__eq", "tags", "größe", "on_conflict", "if_match", "op")  # fmt: skip
_TYPES = (Integer, String(20), JSON, Boolean, Enum("a", "b", name="letters"), Uuid, Numeric(8, 2),
          LargeBinary(20), DateTime)  # fmt: skip


def random_app(seed: int) -> FastAPI:
    """Return an application with two models of random columns, the one behind the other."""
    source = random.Random(seed)

    class Own(Model):
        __abstract__ = True
        metadata = MetaData()

    app = FastAPI()
    Database("sqlite://", metadata=Own.metadata).attach(app)
    target: Any = None
    for name in ("First", "Second"):
        words = source.sample(_WORDS, 6)
        count = source.choice((1, 1, 2, 3))
        values: Json = {"__tablename__": f"{name.lower()}_{source.choice(words)}"}
        for place, word in enumerate(words):
            kind = Integer if place < count else source.choice(_TYPES)
            values[word] = mapped_column(kind, primary_key=place < count)
        if target is not None:
            first = target.__table__.primary_key.columns[0]
            values["other_key"] = mapped_column(ForeignKey(first))
            values["other"] = relationship(target)
        made = type(name, (Own,), values)
        options: Json = {"max_offset": source.choice((0, 9))}
        options["document_operators"] = source.random() < 0.3
        includes = set() if target is None else {"other"}
        operations = set(source.sample(OPERATIONS, source.randint(1, len(OPERATIONS))))
        app.include_router(resource(made, includes=includes, operations=operations, **options))
        target = made
    return app


def _document_of(name: str | int) -> Json:
    return (random_app(name) if isinstance(name, int) else APPS[name]()).openapi()


@pytest.fixture(scope="module", params=[*APPS, *range(10)])
def document(request: pytest.FixtureRequest) -> Json:
    """The document of each application."""
    return _document_of(request.param)


def operations_of(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield each operation with its path."""
    for path, item in document["paths"].items():
        yield from ((path, operation) for operation in item.values())


def test_documents_are_valid(document: Json) -> None:
    """They have the form of OpenAPI 3.1, and can be sent."""
    assert not [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)]
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def test_no_parameter_is_there_twice(document: Json) -> None:
    """Neither a column called like a parameter, nor one that a policy takes too."""
    for path, operation in operations_of(document):
        places = [(each["in"], each["name"].lower()) for each in operation.get("parameters", [])]
        assert len(places) == len(set(places)), path


def test_operation_ids_are_unique(document: Json) -> None:
    """Whatever the paths and prefixes are."""
    ids = [operation["operationId"] for _, operation in operations_of(document)]
    assert len(ids) == len(set(ids))


def test_a_resource_may_be_included_twice() -> None:
    """Its operation ids have the path; a function of the application's goes before ours."""
    for own, expected in ((None, "list_v1_lefts"), (lambda route: route.path, "/v1/lefts")):
        app = FastAPI() if own is None else FastAPI(generate_unique_id_function=own)
        Database("sqlite://").attach(app)
        for prefix in ("/v1", "/v2"):
            app.include_router(resource(Left, operations={"list"}), prefix=prefix)
        operations = dict(operations_of(app.openapi()))
        assert operations["/v1/lefts"]["operationId"] == expected


def test_each_place_of_a_path_is_described(document: Json) -> None:
    """Those of a prefix are there too, and no others."""
    for path, operation in operations_of(document):
        parameters = operation.get("parameters", [])
        described = {each["name"] for each in parameters if each["in"] == "path"}
        assert described == set(re.findall(r"{([^}]*)}", path))


def test_references_lead_somewhere(document: Json) -> None:
    """Whatever is dropped or renamed."""
    names = re.findall(r'"#/components/schemas/([^"]*)"', json.dumps(document))
    assert set(names) <= set(document["components"]["schemas"])
    assert not set(names) & {"HTTPValidationError"}


@pytest.mark.long
@pytest.mark.parametrize("name", APPS)
async def test_lists_take_what_their_document_names(name: str) -> None:
    """Each parameter, and each that a description tells of, is one of the list's."""
    app = APPS[name]()
    async with client_of(app) as client:
        client.headers["X-Customer-Id"] = "1"
        for path, item in app.openapi()["paths"].items():
            parameters = item.get("get", {}).get("parameters", [])
            if "where" not in [each["name"] for each in parameters]:
                continue
            for parameter in parameters:
                if parameter["in"] == "query":
                    await _try(client, re.sub("[{}]", "", path), parameter)


async def _try(client: httpx2.AsyncClient, path: str, parameter: Json) -> None:
    told = re.findall(r"`([^\W\d]\w*(?:\.\w+|__\w+))`", parameter.get("description", ""))
    for name in [parameter["name"], *told]:
        answer = await client.get(f"{path}?{quote(name)}=1")
        kinds = [error["type"] for error in answer.json().get("errors", [])]
        is_value = parameter["name"] in {"sort", "fields", "include"}
        assert is_value or not [kind for kind in kinds if kind.startswith("unknown")], answer.text


@pytest.mark.long
def test_a_list_names_each_column_once() -> None:
    """The operators of a column stand in its description, those of relations too."""
    names, told = _filters(shop.make_app(Database("sqlite://")), "/lines")
    assert names[:5] == ["order_id", "sku", "quantity", "order.id", "product.sku"]
    assert "`quantity__ge`, `quantity__between`" in told["quantity"]
    assert "`product.title`" in told["product.sku"]


def test_a_column_called_like_a_parameter_is_named_with_eq() -> None:
    """`limit__eq` says which is which."""
    names, told = _filters(quotas.app_of(quotas.database_of("sqlite://")), "/quotas")
    assert [name for name in names if name.startswith("limit")] == ["limit__eq", "limit_", "limit"]
    assert "`limit` alone is the list's own parameter. Also `limit__ne`" in told["limit__eq"]
    # The column `name__in` has taken the name of an operator.
    assert "`name__not_in`" in told["name"]
    assert "`name__in`" not in told["name"]


@pytest.mark.long
@pytest.mark.parametrize("name", APPS)
async def test_the_example_of_a_where_is_one(name: str) -> None:
    """It names the model's own columns."""
    app = APPS[name]()
    async with client_of(app) as client:
        client.headers["X-Customer-Id"] = "1"
        for path, operation in operations_of(app.openapi()):
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "where":
                    (tree,) = re.findall("`({.*})`", parameter["description"])
                    answer = await client.get(re.sub("[{}]", "", path), params={"where": tree})
                    assert answer.status_code == 200, answer.text


def test_the_long_form_has_a_parameter_for_each_operator() -> None:
    """`document_operators=True` is for who wants them typed in the query string."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    lefts = resource(Left)
    app.include_router(resource(Right, includes={"left": lefts}, document_operators=True))
    parameters = app.openapi()["paths"]["/rights"]["get"]["parameters"]
    found = {each["name"]: each["schema"] for each in parameters}
    assert found["id__ge"]["type"] == "integer"
    assert found["kind__in"]["items"]["enum"] == ["b"]
    assert found["id__between"]["maxItems"] == 2
    assert found["notes__isnull"] == {"type": "boolean"}
    assert found["left.kind"]["enum"] == ["a"]
    assert not {"notes", "left.kind__in"} & set(found)


def _filters(app: FastAPI, path: str) -> tuple[list[str], dict[str, str]]:
    parameters = app.openapi()["paths"][path]["get"]["parameters"]
    found = [each for each in parameters if each["in"] == "query"]
    return [each["name"] for each in found], {each["name"]: each["description"] for each in found}


def test_a_where_in_a_body_is_typed() -> None:
    """What generated clients send operators with."""
    schemas = quotas.app_of(quotas.database_of("sqlite://")).openapi()["components"]["schemas"]
    assert schemas["QuotaQuery"]["properties"]["where"] == {
        "$ref": "#/components/schemas/QuotaWhere"
    }
    tree = schemas["QuotaWhere"]["properties"]
    assert tree["limit__ge"]["type"] == "integer"
    assert tree["limit"] == {"anyOf": [tree["limit__ge"], {"type": "null"}]}
    assert tree["limit__between"]["maxItems"] == 2
    assert tree["or"]["type"] == "array"
    junctions = schemas["GateWhere"]["properties"]
    assert (junctions["not"], junctions["not__ge"]["type"]) == ({"type": "object"}, "integer")


@pytest.mark.long
def test_names_that_are_taken_stay_with_their_owners() -> None:
    """Models of the program's own keep their names, and enums of one name have two."""
    schemas = APPS["odd"]().openapi()["components"]["schemas"]
    assert list(schemas["Problem"]["properties"]) == ["mine"]
    assert "code" in schemas["ErrorAnswer"]["properties"]
    kinds = [
        schemas[model]["properties"]["kind"]["$ref"] for model in ("LeftPublic", "RightPublic")
    ]
    assert [schemas[kind.rpartition("/")[2]]["enum"] for kind in kinds] == [["a"], ["b"]]
    assert schemas["RightCreate"]["properties"]["kind"]["$ref"] == kinds[1]


async def test_keys_of_any_letters_have_a_path(database_url: str) -> None:
    """Starlette's patterns take no `{schlüssel}`."""
    db = Database(database_url, metadata=Base.metadata)
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Größe))
    async with client_of(app) as client:
        made = await client.post("/größen", json={"schlüssel": "ä,", "maß": 1, "land": "x"})
        assert made.status_code == 201, made.text
        changed = await client.patch(made.headers["location"], json={"maß": 2})
        assert (changed.status_code, changed.json()["maß"]) == (200, 2)
        missing = await client.get("/größen/x")
        assert (missing.status_code, missing.json()["detail"]) == (404, "Größe not found")


def test_a_description_that_fails_leaves_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    """One model without a schema takes no document down; the log names what lacks."""

    class Unheard(BaseModel):
        kind: Any = None

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> Json:
            message = "no schema"
            raise ValueError(message)

    app = FastAPI()
    Database("sqlite://").attach(app)
    app.include_router(resource(Left, create_model=Unheard))
    app.include_router(shop.customers)
    with caplog.at_level(logging.ERROR, "ormolu"):
        document = app.openapi()
    assert "Left.create is described without its details" in caplog.text
    assert document["paths"]["/lefts"]["post"]["responses"]["201"]
    assert document["paths"]["/lefts"]["get"]["parameters"]
    assert document["paths"]["/customers"]["post"]["requestBody"]
    assert "HTTPValidationError" not in json.dumps(document)
    assert app.openapi() is document


def test_answers_that_the_program_documents_stay() -> None:
    """`include_router(responses=...)` says what a dependency may answer."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    app.include_router(resource(Left), responses={401: {"description": "Log in"}})
    for path, operation in operations_of(app.openapi()):
        assert operation["responses"]["401"] == {"description": "Log in"}, path
        assert "422" in operation["responses"]


def test_own_endpoints_may_have_an_attribute_called_describe() -> None:
    """It is theirs."""
    app = FastAPI()
    Database("sqlite://").attach(app)

    @app.get("/mine")
    async def mine(number: int) -> int:
        return number

    mine.describe = None  # type: ignore[attr-defined]
    app.include_router(shop.products)
    operation = app.openapi()["paths"]["/mine"]["get"]
    assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_own_routes_in_the_place_of_a_resources_are_described_as_theirs() -> None:
    """FastAPI documents the last of two routes; what ours takes is not added to it."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    app.include_router(shop.products)

    @app.get("/products")
    async def mine(number: int) -> int:
        return number

    operation = app.openapi()["paths"]["/products"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["number"]
