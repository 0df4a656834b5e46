"""Application factories: each application has resources of its own, as many as there are."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import ConfigurationError, Database, Model, Policy, SessionDep, resource
from ormolu.resources import Resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Customer(Base):
    __tablename__ = "factory_customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    phone: Mapped[str | None] = mapped_column(String(20))
    orders: Mapped[list[Order]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "factory_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("factory_customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")


async def own(x_customer: Annotated[int, Header()]) -> Policy:
    return Policy(visible=Customer.id == x_customer)


calls: list[str] = []


async def who(x_customer: Annotated[int, Header()]) -> int:
    calls.append("who")
    return x_customer


async def mine(customer: Annotated[int, Depends(who)]) -> Policy:
    return Policy(visible=Customer.id == customer)


def customers(**options: Any) -> Resource:
    return resource(Customer, path="/customers", includes={"orders"}, **options)


def orders(**options: Any) -> Resource:
    return resource(Order, path="/orders", includes={"customer"}, **options)


def app_of(url: str, *routers: APIRouter, is_shut: bool = False) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=Base.metadata, pool_timeout=5.0).attach(app)
    for each in routers:
        app.include_router(each)
    if is_shut:
        # While anything at all is overridden there are no doors.
        app.dependency_overrides[str] = str
    return app


@pytest.fixture
async def stored(database_url: str) -> str:
    """Two customers with an order each."""
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        session.add_all(Customer(id=n, name=f"c{n}", phone="555") for n in (1, 2))
        await session.flush()
        session.add_all(Order(id=n, customer_id=n) for n in (1, 2))
    return database_url


async def items(client: httpx2.AsyncClient, path: str, **headers: str) -> list[Any]:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


ORDERS = "/orders?include=customer&sort=id"


@pytest.mark.long
@pytest.mark.parametrize("is_shut", [False, True], ids=["door", "session"])
@pytest.mark.parametrize("is_reversed", [False, True])
async def test_each_application_obeys_its_own(
    stored: str, *, is_shut: bool, is_reversed: bool
) -> None:
    """Hidden columns and policies of one say nothing in another, whoever was made or asked last."""

    def create_app(**options: Any) -> FastAPI:
        made = [customers(**options), orders()]
        return app_of(stored, *(reversed(made) if is_reversed else made), is_shut=is_shut)

    hiding, guarding, open_ = (
        create_app(hidden={"phone"}), create_app(policy=own), create_app(),
    )  # fmt: skip
    async with client_of(hiding) as a, client_of(guarding) as b, client_of(open_) as c:
        for _ in range(2):
            hidden = [each["customer"] for each in await items(a, ORDERS)]
            assert hidden == [{"id": 1, "name": "c1"}, {"id": 2, "name": "c2"}]
            guarded = [each["customer"] for each in await items(b, ORDERS, **{"x-customer": "2"})]
            assert guarded == [None, {"id": 2, "name": "c2", "phone": "555"}]
            assert (await b.get(ORDERS)).status_code == 422
            shown = [each["customer"]["phone"] for each in await items(c, ORDERS)]
            assert shown == ["555", "555"]
            assert (await a.get("/orders?customer.phone=555")).status_code == 422
            assert len(await items(c, "/orders?customer.phone=555")) == 2
            assert len(await items(b, "/customers?include=orders", **{"x-customer": "1"})) == 1
        documents = [(await each.get("/openapi.json")).text for each in (a, b, c)]
    assert ["x-customer" in each for each in documents] == [False, True, False]
    assert ['"phone"' in each for each in documents] == [False, True, True]


@pytest.mark.long
async def test_resources_of_modules_are_closed_by_those_beside_them(stored: str) -> None:
    """One resource in two applications shows in each what that one's other resources declare."""
    shared, router = orders(), APIRouter(prefix="/v1")
    router.include_router(shared)
    first = app_of(stored, router, customers(hidden={"phone"}))
    second = app_of(stored, router, customers(policy=own))
    third = app_of(stored, router)
    async with client_of(first) as a, client_of(second) as b, client_of(third) as c:
        for _ in range(2):
            assert "phone" not in (await items(a, f"/v1{ORDERS}"))[0]["customer"]
            assert (await items(b, f"/v1{ORDERS}", **{"x-customer": "2"}))[0]["customer"] is None
            assert (await b.get(f"/v1{ORDERS}")).status_code == 422
            assert (await items(c, f"/v1{ORDERS}"))[0]["customer"]["phone"] == "555"


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_resource_that_is_included_late(stored: str) -> None:
    """What it closes is closed from the next request on, by doors and by routes."""
    app = app_of(stored, orders())
    async with client_of(app) as client:
        for _ in range(3):
            assert (await items(client, ORDERS))[0]["customer"]["phone"] == "555"
        app.include_router(customers(hidden={"phone"}))
        for _ in range(3):
            assert "phone" not in (await items(client, ORDERS))[0]["customer"]
        assert (await client.get("/orders?customer.phone=555")).status_code == 422
        assert "phone" not in (await client.get("/openapi.json")).text


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_policy_that_is_included_late(stored: str) -> None:
    """Is asked for with the next request, also where a route was made by hand."""
    app, shared, by_hand = app_of(stored), orders(), APIRouter()
    listing: Any = next(each for each in shared.routes if getattr(each, "path", "") == "/orders")
    by_hand.add_api_route("/mine", listing.endpoint, response_model=None)
    app.include_router(by_hand)
    async with client_of(app) as client:
        assert (await items(client, "/mine?include=customer&sort=id"))[0]["customer"] is not None
        app.include_router(customers(policy=own))
        for _ in range(2):
            headers = {"x-customer": "2"}
            found = await items(client, "/mine?include=customer&sort=id", **headers)
            assert [each["customer"] is None for each in found] == [True, False]
            assert (await client.get("/mine?include=customer")).status_code == 422


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_application_without_a_lifespan(stored: str) -> None:
    """Its first request finds everything in place, and calls what it depends on once."""
    calls.clear()
    app = FastAPI(dependencies=[Depends(who)])
    Database(stored, metadata=Base.metadata).attach(app)
    app.include_router(orders())
    app.include_router(customers(policy=mine))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        found = await items(client, ORDERS, **{"x-customer": "1"})
    assert [each["customer"] is None for each in found] == [False, True]
    assert calls == ["who"]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_a_resource_in_no_application_speaks_in_each(stored: str) -> None:
    """It was declared to say what may be seen; a resource of the application itself goes first."""
    declared = customers(hidden={"phone"})
    without, own_one = app_of(stored, orders()), app_of(stored, orders(), customers())
    async with client_of(without) as a, client_of(own_one) as b:
        assert "phone" not in (await items(a, ORDERS))[0]["customer"]
        assert "phone" in (await items(b, ORDERS))[0]["customer"]
    del declared


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_a_resource_that_is_named_speaks_for_its_model(stored: str) -> None:
    """Also for relations that name none, and without being included."""
    named = resource(Customer, path="/customers", hidden={"phone"})
    app = app_of(stored, orders(), resource(Order, path="/more", includes={"customer": named}))
    del named
    gc.collect()
    async with client_of(app) as client:
        for path in ("/orders", "/more"):
            assert "phone" not in (await items(client, f"{path}?include=customer"))[0]["customer"]


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("is_attached", [False, True])
async def test_mounted_applications(stored: str, *, is_attached: bool) -> None:
    """Each obeys its own, then the one that it is in; a neighbour says nothing."""
    outer, one, two = app_of(stored, customers(hidden={"phone"})), FastAPI(), FastAPI()
    one.include_router(orders())
    one.include_router(customers(policy=own))
    two.include_router(orders())
    if is_attached:
        for each in (one, two):
            Database(stored, metadata=Base.metadata).attach(each)
    outer.mount("/one", one)
    outer.mount("/two", two)
    async with client_of(outer) as client:
        found = await items(client, f"/one{ORDERS}", **{"x-customer": "2"})
        assert [each["customer"] and each["customer"]["phone"] for each in found] == [None, "555"]
        assert [each["customer"]["name"] for each in await items(client, f"/two{ORDERS}")] == [
            "c1", "c2",
        ]  # fmt: skip
        assert (await client.get("/two/orders?customer.phone=555")).status_code == 422


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_python_calls_show_what_their_application_does(stored: str) -> None:
    """The session of a request tells which it is, and so does that of a database."""
    shared = orders()
    apps = []
    for options in ({"hidden": {"phone"}}, {}):
        app = app_of(stored, shared, customers(**options))

        @app.get("/names")
        async def names(session: SessionDep) -> list[list[str]]:
            page = await shared.list(session, include=["customer"])
            return [sorted(each["customer"]) for each in page.items]

        apps.append(app)
    async with client_of(apps[0]) as first, client_of(apps[1]) as second:
        assert (await first.get("/names")).json()[0] == ["id", "name"]
        assert (await second.get("/names")).json()[0] == ["id", "name", "phone"]
    with pytest.raises(ConfigurationError, match=r"resource\(Order\) is in 2 applications"):
        _ = shared.exposure
    lonely = app_of(stored, orders(), customers(hidden={"phone"}))
    db = Database(stored, metadata=Base.metadata)
    db.attach(lonely)
    async with db, db.unit_of_work(read_only=True) as session:
        mine = next(each for each in _resources_of(lonely) if each.declaration.path == "/orders")
        page = await mine.list(session, include=["customer"])
    assert sorted(page.items[0]["customer"]) == ["id", "name"]


@pytest.mark.backends("sqlite")
async def test_python_calls_in_a_script(stored: str) -> None:
    """Without an application all resources that are in none speak for each other."""
    # Those of other tests, too, as long as they are there.
    gc.collect()
    mine, others = orders(), [customers(hidden={"phone"})]
    db = Database(stored, metadata=Base.metadata)
    async with db, db.unit_of_work(read_only=True) as session:
        page = await mine.list(session, include=["customer"], where={"id": 1})
        assert page.items == [
            {"id": 1, "customer_id": 1, "customer": {"id": 1, "name": "c1"}},
        ]
        others.append(customers())
        with pytest.raises(ConfigurationError, match="/customers and /customers"):
            await mine.list(session)


def _resources_of(app: FastAPI) -> list[Resource]:
    included = [getattr(each, "original_router", None) for each in app.router.routes]
    return [each for each in included if isinstance(each, Resource)]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_nothing_of_an_application_stays(stored: str) -> None:
    """Not its resources, and not what they say, after two hundred of them."""
    kept: list[weakref.ref[Any]] = []
    for number in range(200):
        made = orders()

        async def after(_session: Any, values: Any, made: Resource = made) -> Any:
            return values if made else None

        hooks: Any = {"after_create": after}
        app = app_of(stored, made, customers(policy=own if number % 2 else None, hooks=hooks))
        kept.append(weakref.ref(app))
        for each in _resources_of(app):
            kept += [weakref.ref(each), weakref.ref(each.declaration)]
        if number % 20 == 0:
            async with client_of(app) as client:
                await items(client, ORDERS, **{"x-customer": "1"})
                await items(client, "/customers", **{"x-customer": "1"})
                await client.get("/openapi.json")
    del app, client, made, after, hooks, each
    gc.collect()
    assert [each() for each in kept if each() is not None] == []
    assert len(kept) == 1000


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_what_was_in_an_application_says_nothing_after_it(stored: str) -> None:
    """Whether the collector has seen it or not: of a module, or kept by what FastAPI keeps."""
    shared = customers(hidden={"phone"})
    first = app_of(stored, orders(), shared)
    async with client_of(first) as client:
        assert "phone" not in (await items(client, ORDERS))[0]["customer"]
    second = app_of(stored, orders())
    async with client_of(second) as client:
        assert "phone" in (await items(client, ORDERS))[0]["customer"]
    del first
    gc.collect()
    third = app_of(stored, orders())
    async with client_of(third) as client:
        assert "phone" in (await items(client, ORDERS))[0]["customer"]
    mine = orders()
    db = Database(stored, metadata=Base.metadata)
    async with db, db.unit_of_work(read_only=True) as session:
        page = await mine.list(session, include=["customer"])
    assert "phone" not in page.items[0]["customer"]
    del shared


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_routes_of_a_resource_that_is_gone(stored: str) -> None:
    """Taken over they are served; of its functions alone nobody can tell what they show."""
    moved, by_hand = app_of(stored), app_of(stored)
    moved.router.routes.extend(orders().routes)
    listing: Any = next(each for each in orders().routes if getattr(each, "path", "") == "/orders")
    by_hand.add_api_route("/mine", listing.endpoint, response_model=None)
    del listing
    gc.collect()
    async with client_of(moved) as client:
        for _ in range(2):
            assert len(await items(client, ORDERS)) == 2
    with pytest.raises(ConfigurationError, match="of a resource that is gone"):
        async with client_of(by_hand):
            pass


def paths_and_ids(app: FastAPI) -> dict[str, list[str]]:
    return {
        path: sorted(each["operationId"] for each in operations.values())
        for path, operations in app.openapi()["paths"].items()
    }


@pytest.mark.backends("sqlite")
@pytest.mark.filterwarnings("error")
async def test_operation_ids(database_url: str) -> None:
    """They are unique wherever a resource is included: with prefixes, in routers, mounted."""
    shared = orders(operations={"list", "read"})
    app, inner, router = app_of(database_url), FastAPI(), APIRouter(prefix="/deep")
    router.include_router(shared)
    app.include_router(shared, prefix="/v1")
    app.include_router(shared, prefix="/v2")
    app.include_router(router, prefix="/v3")
    inner.include_router(shared)
    app.mount("/inner", inner)
    found = [each for ids in paths_and_ids(app).values() for each in ids]
    assert len(set(found)) == len(found) == 9
    assert "list_v3_deep_orders" in found
    assert "list_orders" in [each for ids in paths_and_ids(inner).values() for each in ids]


@pytest.mark.backends("sqlite")
async def test_ids_of_the_program_s_own(database_url: str) -> None:
    """FastAPI's own recipe asks for the first tag of a route."""

    def named(route: Any) -> str:
        return f"{route.tags[0]}-{route.name}"

    app = FastAPI(generate_unique_id_function=named)
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(orders(operations={"list"}), tags=["sales"])
    app.include_router(customers(operations={"list"}))
    found = paths_and_ids(app)
    assert (found["/orders"], found["/customers"]) == (
        ["sales-list_orders"], ["customers-list_customers"],
    )  # fmt: skip


def tags_of(app: FastAPI) -> set[str]:
    paths = app.openapi()["paths"].values()
    return {tag for path in paths for each in path.values() for tag in each.get("tags", [])}


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [([], [], {"orders"}), (["a"], [], {"a"}), ([], ["b"], {"b"}), (["a"], ["b"], {"a", "b"}),
     (["orders"], [], {"orders"}), (["orders"], ["b"], {"orders", "b"})],
)  # fmt: skip
async def test_tags_are_the_program_s(
    database_url: str, outer: list[str], inner: list[str], expected: set[str]
) -> None:
    """A resource has one of its own only where there is no other."""
    app, router = app_of(database_url), APIRouter(tags=list(inner))
    router.include_router(orders(operations={"list", "create"}))
    app.include_router(router, tags=list(outer))
    assert tags_of(app) == expected


@pytest.mark.backends("sqlite")
async def test_operations_that_are_kept_out_of_the_document(database_url: str) -> None:
    """They are served all the same; what the program sets at a route stays, whatever comes."""
    router = orders(undocumented={"delete", "batch"})
    for route in router.routes:
        if getattr(route, "methods", None) == {"PATCH"}:
            route.include_in_schema = False  # type: ignore[attr-defined]
    app = app_of(database_url, router, customers(operations={"list"}))
    methods = {(path, method) for path, each in app.openapi()["paths"].items() for method in each}
    assert {method for path, method in methods if path.startswith("/orders/")} == {"get"}
    assert ("/orders:batch", "post") not in methods
    async with client_of(app) as client:
        assert (await client.delete("/orders/7")).status_code == 404
    with pytest.raises(ConfigurationError, match="undocumented names 'remove'"):
        orders(undocumented={"remove"})


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_what_the_program_changes_of_routes_stays(stored: str) -> None:
    """A dependency, a wrapped endpoint: no resource that is declared later makes routes anew."""
    seen: list[str] = []

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(**values: Any) -> Any:
            seen.append(function.__name__)
            return await function(**values)

        call.__signature__ = function.__signature__  # type: ignore[attr-defined]
        return call

    async def deny() -> None:
        raise HTTPException(401)

    router = orders()
    for route in router.routes:
        if getattr(route, "methods", None) == {"DELETE"}:
            route.dependencies.append(Depends(deny))  # type: ignore[attr-defined]
        elif getattr(route, "methods", None) == {"GET"}:
            route.endpoint = wrapped(route.endpoint)  # type: ignore[attr-defined]
    app = app_of(stored, router, resource(Customer, path="/customers", hidden={"phone"}))
    async with client_of(app) as client:
        for number in range(2):
            assert "phone" not in (await items(client, ORDERS))[0]["customer"]
            assert (await client.delete("/orders/1")).status_code == 401
            app.include_router(resource(Order, path=f"/later{number}", includes={"customer"}))
    assert seen == ["list_orders"] * 2


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_both_ends_of_a_relation_may_be_named(stored: str) -> None:
    """By a resource of the other model each, whichever is declared first."""
    plain = resource(Order, path="/plain", operations={"list"})
    shown = customers_named = resource(Customer, path="/customers", includes={"orders": plain})
    more = resource(Order, path="/orders", includes={"customer": customers_named})
    app = app_of(stored, more, shown)
    async with client_of(app) as client:
        (first, _) = await items(client, "/orders?include=customer.orders&sort=id")
        assert first["customer"]["orders"] == [{"id": 1, "customer_id": 1}]
        (first, _) = await items(client, "/customers?include=orders&sort=id")
        assert first["orders"] == [{"id": 1, "customer_id": 1}]
