"""The OpenAPI document of resources: complete, clean, and true."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column

from examples.shop import main as shop
from ormolu import Database, Model, resource
from tests.resources.people import app_of

pytestmark = pytest.mark.anyio


class Counter(Model):
    """A row that needs nothing said."""

    __tablename__ = "counters"
    metadata = MetaData()

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=7)


class ProductPublic(BaseModel):
    """Somebody's own, called as the shop's."""

    mine: int


@pytest.fixture
def document() -> dict[str, Any]:
    """The shop's."""
    return shop.make_app(Database("sqlite://")).openapi()


@pytest.mark.long
def test_schemas_have_the_names_that_people_expect(document: dict[str, Any]) -> None:
    """Three of each model, and nothing of FastAPI's own validation."""
    names = set(document["components"]["schemas"])
    assert {"OrderPublic", "OrderCreate", "OrderUpdate", "OrderPage", "Problem", "Status"} <= names
    assert not {name for name in names if "HTTPValidation" in name or "__" in name}


@pytest.mark.long
def test_operation_ids_are_stable_and_unique(document: dict[str, Any]) -> None:
    """They are made of the operation and the path."""
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
    assert {"list_orders", "create_orders", "read_orders", "batch_orders", "query_orders"} <= set(
        ids
    )


@pytest.mark.long
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No schema is missing."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].rpartition("/")[2] in document["components"]["schemas"]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(document)


@pytest.mark.long
def test_schemas_say_what_the_columns_hold(document: dict[str, Any]) -> None:
    """Types, lengths, ranges, enums, nullability, defaults, relations."""
    schemas = document["components"]["schemas"]
    product = schemas["ProductCreate"]
    assert product["required"] == ["sku", "title", "price"]
    assert product["properties"]["sku"]["maxLength"] == 20
    assert product["properties"]["price"]["format"] == "decimal"
    assert product["additionalProperties"] is False
    assert product["examples"] == [{"sku": "sku", "title": "title", "price": "1"}]
    assert schemas["Status"]["enum"] == ["open", "paid", "sent"]
    order = schemas["OrderPublic"]
    assert order["properties"]["lines"]["items"] == {"$ref": "#/components/schemas/LinePublic"}
    assert "lines" not in order["required"]
    assert "customer_id" not in schemas["OrderCreate"]["properties"]
    assert "password_hash" not in schemas["CustomerPublic"]["properties"]
    assert schemas["OrderCreate"]["properties"]["status"]["default"] == "open"
    # A client that fills in the defaults of a schema would open each order that it changes.
    for name in ("note", "status"):
        assert "default" not in schemas["OrderUpdate"]["properties"][name]
    quantity = schemas["LineCreate"]["properties"]["quantity"]
    assert (quantity["minimum"], quantity["maximum"]) == (-(2**31), 2**31 - 1)


@pytest.mark.long
def test_every_parameter_is_typed(document: dict[str, Any]) -> None:
    """Filters have the type of their column, keys that of theirs."""
    found = {
        each["name"]: each["schema"] for each in document["paths"]["/lines"]["get"]["parameters"]
    }
    assert found["quantity"]["type"] == "integer"
    assert found["product.sku"]["type"] == "string"
    assert found["limit"]["maximum"] == 1000
    path = document["paths"]["/lines/{order_id},{sku}"]["get"]["parameters"]
    assert [each["name"] for each in path if each["in"] == "path"] == ["order_id", "sku"]
    orders = document["paths"]["/orders/{id}"]["patch"]
    assert "If-Match" in {each["name"] for each in orders["parameters"]}
    assert {"403", "404", "409", "412", "422"} <= set(orders["responses"])


def test_own_models_keep_their_names() -> None:
    """A hand-written UserPublic beside a resource's: each has a name of its own."""
    app = FastAPI()

    @app.get("/mine")
    async def mine() -> ProductPublic:
        return ProductPublic(mine=1)

    Database("sqlite://").attach(app)
    app.include_router(shop.products)
    schemas = app.openapi()["components"]["schemas"]
    assert list(schemas["ProductPublic"]["properties"]) == ["mine"]
    assert "sku" in schemas["ProductsPublic"]["properties"]
    assert app.openapi()["components"]["schemas"] == schemas


def test_examples_of_what_need_not_be_said_are_the_defaults() -> None:
    """Where nothing is required, the first column's default is an example."""
    app = FastAPI()
    Database("sqlite://", metadata=Counter.metadata).attach(app)
    app.include_router(resource(Counter))
    assert app.openapi()["components"]["schemas"]["CounterCreate"]["examples"] == [{"count": 7}]


def test_batches_offer_what_is_declared() -> None:
    """A batch has the operations of its resource."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    for name in ("create", "update", "delete"):
        app.include_router(resource(shop.Product, path=f"/{name}", operations={"batch", name}))
    schemas = app.openapi()["components"]["schemas"]
    found = [
        {
            step["properties"]["op"]["const"]
            for step in schema["properties"]["operations"]["items"]["oneOf"]
        }
        for schema in (schemas["ProductBatch"], schemas["UpdateBatch"], schemas["DeleteBatch"])
    ]
    assert found == [{"create"}, {"update"}, {"delete"}]


@pytest.mark.long
def test_every_operation_may_be_late(document: dict[str, Any]) -> None:
    """Any may find no connection, and any has a deadline, be it the database's own."""
    operations = [
        operation
        for path, methods in document["paths"].items()
        if path.startswith("/orders")
        for operation in methods.values()
    ]
    assert operations
    for operation in operations:
        for status in ("503", "504"):
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"]


@pytest.mark.long
def test_every_write_may_find_a_full_disk(document: dict[str, Any]) -> None:
    """Those that only read cannot."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/orders"):
                is_write = method != "get" and not operation["summary"].startswith("The same")
                assert ("507" in operation["responses"]) is is_write, (method, path)


@pytest.mark.long
async def test_answers_are_as_documented(people_client: httpx2.AsyncClient) -> None:
    """A row has exactly the properties of its schema."""
    row = (await people_client.post("/people", json={"name": "a"})).json()
    document = (await people_client.get("/openapi.json")).json()
    schema = document["components"]["schemas"]["PersonPublic"]
    assert set(row) == set(schema["properties"]) - {"team", "pets", "clubs"}
    assert set(schema["required"]) == set(row)


def test_document_without_resources_is_left_alone() -> None:
    """An application that validates nothing has no schemas of ours; a document is made once."""
    app = FastAPI()
    Database("sqlite://").attach(app, health=False)
    assert app.openapi()["paths"] == {}
    assert "components" not in app.openapi()
    assert app.openapi() is app.openapi()


@pytest.mark.long
def test_prefix_and_dependencies_are_kept() -> None:
    """`include_router(prefix=...)` moves the paths; mounted applications have documents too."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    app.include_router(shop.products, prefix="/api")
    assert "/api/products/{sku}" in app.openapi()["paths"]
    assert app.openapi()["paths"]["/api/products"]["get"]["parameters"]
    assert app_of(Database("sqlite://")).openapi()["paths"]["/people:query"]["post"]["requestBody"]
