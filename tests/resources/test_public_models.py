"""A public model is what may be seen: on every hop, whole or in part, and by no other way."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    computed_field,
    field_serializer,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import ConfigurationError, Database, Model, Policy, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

# What a request says is read before any backend is asked; SQL is where the others differ.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Card(Base):
    __tablename__ = "public_cards"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    card_number: Mapped[str] = mapped_column(String(20))
    first_name: Mapped[str | None] = mapped_column(String(20))
    credit_line: Mapped[int] = mapped_column(default=7)
    place: Mapped[dict[str, Any] | None]
    payments: Mapped[list[Payment]] = relationship(back_populates="own_card")


class Payment(Base):
    __tablename__ = "public_payments"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int]
    card_id: Mapped[int] = mapped_column(ForeignKey("public_cards.id"))
    own_card: Mapped[Card] = relationship(back_populates="payments")


class Place(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    street_name: str


class CardOut(BaseModel):
    """Masks its number, and says more than columns do."""

    model_config = ConfigDict(alias_generator=to_camel)
    id: int
    card_number: str
    first_name: Annotated[str | None, AfterValidator(lambda name: name and name.upper())] = None
    place: Place | None = Field(None, validation_alias=AliasChoices("place", "where"))
    payments: list[Any] = []
    note: str = "from a default"
    credit_line: int = Field(exclude=True)

    @field_serializer("card_number")
    def mask(self, value: str) -> str:
        """Leave the end."""
        return f"*{value[-2:]}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_rich(self) -> bool:
        """Of what is not shown."""
        return self.credit_line > 5


async def as_seen() -> Policy:
    return Policy(visible=True)


async def without_line() -> Policy:
    return Policy(visible=True, hidden={"credit_line"})


async def without_name() -> Policy:
    return Policy(visible=True, hidden={"first_name"})


cards = resource(Card, public_model=CardOut, writable={"id"}, includes={"payments"})
payments = resource(
    Payment, writable={"id"}, includes={"own_card": cards}, alias_generator=to_camel
)
CARD = {"id": 1, "cardNumber": "123456", "firstName": "ann", "place": {"streetName": "Elm"}}
SHOWN = {"id": 1, "cardNumber": "*56", "firstName": "ANN", "place": {"streetName": "Elm"},
         "note": "from a default", "isRich": True}  # fmt: skip


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_no_part_of_a_row_passes_the_model_by(twin_urls: tuple[str, str]) -> None:
    """Lists, reads, `fields` and includes show what the model makes; the door and the session."""
    async with twins_of(twin_urls, Base.metadata, cards, payments) as twins:
        made = await twins.send("POST", "/public_cards", json=CARD)
        assert made.json() == SHOWN
        await twins.send("POST", "/public_payments", json={"id": 5, "amount": 3, "cardId": 1})
        for path in ("/public_cards/1", "/public_cards?limit=1&sort=-id"):
            found = (await twins.through("GET", path)).json()
            assert found.get("items", [found]) == [SHOWN]
        found = (await twins.through("GET", "/public_cards?fields=isRich,cardNumber")).json()
        assert found["items"] == [{"isRich": True, "cardNumber": "*56"}]
        found = (await twins.through("GET", "/public_cards/1?fields=cardNumber")).json()
        assert found == {"cardNumber": "*56"}
        paid = {"id": 5, "amount": 3, "cardId": 1}
        found = (await twins.through("GET", "/public_cards/1?include=payments")).json()
        assert found == {**SHOWN, "payments": [paid]}
        for path in ("/public_payments/5?include=ownCard", "/public_payments?include=ownCard"):
            found = (await twins.through("GET", path)).json()
            assert found.get("items", [found]) == [{**paid, "ownCard": SHOWN}]
        narrow = "/public_payments/5?include=ownCard&fields=ownCard.cardNumber"
        found = (await twins.through("GET", narrow)).json()
        assert found["ownCard"] == {"cardNumber": "*56"}
        changed = await twins.send("PATCH", "/public_cards/1", json={"firstName": "bo"})
        assert changed.json() == {**SHOWN, "firstName": "BO"}


@pytest.mark.parametrize(
    "query",
    ["fields=creditLine", "fields=credit_line", "creditLine__ge=1", "sort=creditLine",
     "isRich=true", "sort=isRich", "note=x", "payments=1", "fields=card_number",
     'where={"not":{"creditLine":1}}', "fields=payments"],
)  # fmt: skip
async def test_what_it_leaves_out_is_not_to_be_asked_for(database_url: str, query: str) -> None:
    """On no hop: neither what is excluded, nor what is made for answers alone."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(cards)
    app.include_router(payments)
    name, mark, rest = query.partition("=")
    nested = {
        "fields": f"include=ownCard&fields=ownCard.{rest}", "sort": f"sort=ownCard.{rest}",
        "where": f'where={{"ownCard":{{"any":{rest}}}}}',
    }.get(name, f"ownCard.{name}{mark}{rest}")  # fmt: skip
    async with client_of(app) as client:
        assert (await client.get(f"/public_cards?{query}")).status_code == 422
        assert (await client.get(f"/public_payments?{nested}")).status_code == 422


@pytest.mark.long
async def test_a_part_that_a_policy_hides_keeps_the_model_from_running(database_url: str) -> None:
    """What is left is shown by each field's annotation; what code touches is left out."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    for path, policy in (("/all", as_seen), ("/some", without_line), ("/few", without_name)):
        app.include_router(
            resource(Card, path=path, public_model=CardOut, writable={"id"}, policy=policy)
        )
    shown = {"id": 1, "firstName": "ANN", "place": {"streetName": "Elm"}}
    async with client_of(app) as client:
        made = await client.post("/some", json=CARD)
        assert (made.status_code, made.json()) == (201, shown)
        assert (await client.get("/all/1")).json() == SHOWN
        assert (await client.get("/some/1")).json() == shown
        assert (await client.get("/some")).json()["items"] == [shown]
        assert (await client.get("/few/1?fields=id,place")).json() == {
            "id": 1, "place": {"streetName": "Elm"},
        }  # fmt: skip
        for query in ("fields=cardNumber", "fields=isRich", "cardNumber=123456", "sort=cardNumber"):
            assert (await client.get(f"/some?{query}")).status_code == 422


class PlainOut(BaseModel):
    id: int
    card_number: str
    credit_line: int


async def test_a_required_column_that_a_policy_hides_is_left_out(database_url: str) -> None:
    """A model that only names columns shows the others."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    shown = resource(Card, public_model=PlainOut, writable={"id"}, policy=without_line)
    app.include_router(shown)
    async with client_of(app) as client:
        body = {"id": 1, "card_number": "123456"}
        assert (await client.post("/public_cards", json=body)).json() == body
        assert (await client.get("/public_cards")).json()["items"] == [body]
        assert (await client.get("/public_cards?credit_line=7")).status_code == 422


class Strict(BaseModel):
    id: int
    card_number: Annotated[str, AfterValidator(str.strip), Field(max_length=3)]


@pytest.mark.backends("sqlite")
async def test_a_row_that_a_model_does_not_take_is_not_in_the_log(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the field and the rule."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Card, path="/strict", public_model=Strict))
    app.include_router(resource(Card, path="/open", writable={"id"}))
    async with client_of(app) as client:
        await client.post("/open", json={"id": 1, "card_number": "very private"})
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/strict/1")
    assert answer.status_code == 500
    assert "very private" not in answer.text + caplog.text


@pytest.mark.backends("sqlite")
async def test_a_model_that_writes_its_own_answer(database_url: str) -> None:
    """Its members are the answer, whatever they are called; `fields` takes those it declares."""

    class Wrapped(BaseModel):
        id: int
        card_number: str

        @model_serializer
        def write(self) -> dict[str, Any]:
            """Wrap it."""
            return {"id": self.id, "card": {"end": self.card_number[-1]}}

    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Card, path="/wrapped", public_model=Wrapped, writable={"id"}))
    async with client_of(app) as client:
        made = await client.post("/wrapped", json={"id": 1, "card_number": "123"})
        assert made.json() == {"id": 1, "card": {"end": "3"}}
        found = (await client.get("/wrapped?fields=id,card_number")).json()["items"]
        assert "123" not in str(found)


@pytest.mark.backends("sqlite")
async def test_the_document_describes_what_is_shown(database_url: str) -> None:
    """By the names of clients, without what is left out."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(cards)
    app.include_router(payments)
    async with client_of(app) as client:
        document = (await client.get("/openapi.json")).json()
    schema = document["components"]["schemas"]["CardPublic"]
    assert list(schema["properties"]) == [*SHOWN, "payments"]
    assert "payments" not in schema["required"]
    listed = {each["name"] for each in document["paths"]["/public_payments"]["get"]["parameters"]}
    assert "ownCard.id" in listed
    assert not any("credit" in name or "card_id" in name for name in listed)


def public_with(name: str, *, default: Any = ..., **options: Any) -> type[BaseModel]:
    members = {"__annotations__": {"id": int, name: Any}, "__module__": __name__}
    return type("Out", (BaseModel,), {**members, name: Field(default, **options)})


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [("credit_line", {"hidden": {"credit_line"}}, "hidden closes"),
     ("payments", {}, "include=payments"), ("card_numbr", {}, "did you mean 'card_number'"),
     ("first_name", {"searchable": {"card_number"}}, "searchable")],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_at_import(name: str, options: Any, line: str) -> None:
    """With the line to write."""
    with pytest.raises(ConfigurationError, match="public_model") as caught:
        resource(Card, path="/x", public_model=public_with(name), **options)
    assert line in str(caught.value)


class Vault(Base):
    __tablename__ = "public_vaults"
    id: Mapped[int] = mapped_column(primary_key=True)
    access_token: Mapped[str | None] = mapped_column(String(20))


def test_a_secret_is_shown_only_where_an_option_names_it() -> None:
    """A public model does not open it by itself."""
    with pytest.raises(ConfigurationError, match=r"read_only=\{'access_token'\}"):
        resource(Vault, public_model=public_with("access_token"))
    vaults = resource(Vault, public_model=public_with("access_token"), read_only={"access_token"})
    assert "access_token" in vaults.exposure.declaration.readable


def test_a_field_that_a_validator_fills_needs_no_column() -> None:
    """It may be made of the others."""

    class Made(BaseModel):
        id: int
        label: str

        @model_validator(mode="before")
        @classmethod
        def fill(cls, values: Any) -> Any:
            """Fill it."""
            return {"label": "x", **values}

    assert resource(Card, path="/made", public_model=Made)


class Member(Base):
    """With what few are told."""

    __tablename__ = "public_members"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    nick: Mapped[str] = mapped_column(String(20))
    pay: Mapped[int]
    born: Mapped[str] = mapped_column(String(20))
    file_id: Mapped[str | None] = mapped_column(String(20))


class MemberOut(BaseModel):
    """Keeps values back in each way that a field has of its own."""

    model_config = ConfigDict(str_to_upper=True)
    id: int
    nick: str
    pay: int = Field(exclude_if=lambda pay: pay > 100)
    born: SecretStr
    file_id: Annotated[SecretStr | None, Field(alias="fileId")] = None


async def by_header(x_hidden: Annotated[str, Header()] = "") -> Policy:
    return Policy(visible=True, hidden={x_hidden} - {""})


members = resource(Member, public_model=MemberOut, writable={"id"}, policy=by_header)
MEMBER = {"id": 1, "nick": "Annie", "pay": 500, "born": "1990-01-01", "fileId": "f1"}


@pytest.fixture
async def member(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a member whose row was sent."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(members)
    async with client_of(app) as client:
        assert (await client.post("/public_members", json=MEMBER)).status_code == 201
        yield client


@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("hidden", ["", "nick", "file_id"])
async def test_a_part_keeps_back_what_the_whole_does(
    member: httpx2.AsyncClient, hidden: str
) -> None:
    """Whatever a policy hides besides."""
    whole = {"id": 1, "nick": "ANNIE", "born": "**********", "fileId": "**********"}
    found = (await member.get("/public_members/1", headers={"X-Hidden": hidden})).json()
    assert found == {name: each for name, each in whole.items()
                     if name != hidden.replace("file_id", "fileId")}  # fmt: skip


@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize(
    "query",
    ["pay__gt=1", "sort=pay", "born__startswith=19", "sort=-born", "fileId=f1", "file_id=f1",
     'where={"not":{"fileId__startswith":"a"}}'],
)  # fmt: skip
async def test_what_a_field_keeps_back_is_not_found_by_its_value(
    member: httpx2.AsyncClient, query: str
) -> None:
    """A filter would tell it, letter by letter."""
    assert (await member.get(f"/public_members?{query}")).status_code == 422
