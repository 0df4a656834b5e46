"""The defaults of `Model`."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    func,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import (
    Mapped,
    MappedAsDataclass,
    backref,
    column_property,
    declared_attr,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.exc import DetachedInstanceError, StaleDataError

from ormolu import ConfigurationError, Database, LazyLoadError, Model, NaiveDatetimeError
from ormolu.names import model_name


class Base(Model):
    """Keeps these tables apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Author(Base):
    __tablename__ = "unit_authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    born: Mapped[datetime | None]
    settings: Mapped[dict[str, Any] | None]
    tags: Mapped[list[Any]] = mapped_column(default=list)
    anything: Mapped[Any] = mapped_column(JSON, nullable=True)
    changed: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    books: Mapped[list[Book]] = relationship(back_populates="author")
    notes: Mapped[list[Remark]] = relationship(foreign_keys="Remark.author_id", lazy="selectin")


class Book(Base):
    __tablename__ = "unit_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("unit_authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Remark(Base):
    __tablename__ = "unit_remarks"
    __table_args__ = (UniqueConstraint("author_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("unit_authors.id"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("unit_authors.id"), index=False)
    editor: Mapped[Author | None] = relationship(
        foreign_keys=editor_id, backref=backref("edited", viewonly=True)
    )
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("unit_authors.id"))
    reviewer: Mapped[Author | None] = relationship(foreign_keys=reviewer_id, backref="reviewed")


class Animal(Base):
    __tablename__ = "unit_animals"
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    shout: Mapped[str] = column_property(literal_column("kind || '!'", String))
    traits: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Dog(Animal):
    __mapper_args__: Any = {"polymorphic_identity": "dog"}  # noqa: RUF012
    tricks: Mapped[list[Any] | None]


@pytest.fixture
async def db() -> AsyncIterator[Database]:
    """A database in memory with the tables of this file."""
    async with Database("sqlite://", metadata=Base.metadata) as database:
        yield database


def test_constraints_and_indexes_have_names() -> None:
    """A migration can name what it changes."""
    table = Base.metadata.tables["unit_books"]
    names = {str(constraint.name) for constraint in table.constraints}
    assert names == {"pk_unit_books", "fk_unit_books_author_id_unit_authors"}
    assert {str(index.name) for index in table.indexes} == {"ix_unit_books_author_id"}


def test_foreign_key_index_is_left_out() -> None:
    """No second index where one leads with the column, none where it was declined."""
    indexes = Remark.metadata.tables["unit_remarks"].indexes
    assert {tuple(column.name for column in index.columns) for index in indexes} == {
        ("reviewer_id",)
    }


def test_composite_foreign_key_has_one_index() -> None:
    """The columns of a composite foreign key are indexed together, or led by an index."""

    class Pair(Base):
        __tablename__ = "unit_pairs"
        a: Mapped[int] = mapped_column(primary_key=True)
        b: Mapped[int] = mapped_column(primary_key=True)

    class Child(Base):
        __tablename__ = "unit_children"
        __table_args__ = (
            ForeignKeyConstraint(["a", "b"], ["unit_pairs.a", "unit_pairs.b"]),
            ForeignKeyConstraint(["c", "d"], ["unit_pairs.a", "unit_pairs.b"]),
            Index("given", "c", "d", "a"),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        a: Mapped[int]
        b: Mapped[int]
        c: Mapped[int]
        d: Mapped[int]

    names = {str(index.name) for index in Child.metadata.tables["unit_children"].indexes}
    assert names == {"given", "ix_unit_children_a_b"}
    Base.metadata.remove(Child.metadata.tables["unit_children"])
    Base.metadata.remove(Pair.metadata.tables["unit_pairs"])


async def test_model_name_is_known_of_its_table(db: Database) -> None:
    """The class's name is found by the table; a table without a class has none."""
    assert model_name(Base.metadata.tables["unit_authors"]) == "Author"


async def test_inherited_json_is_tracked_once(db: Database) -> None:
    """A subclass in the same table tracks its own JSON and that of its base."""
    async with db.unit_of_work() as session:
        session.add(Dog(tricks=[1]))
    async with db.unit_of_work() as session:
        dog = await session.get_one(Dog, 1)
        dog.traits["tail"] = True
        assert dog.tricks is not None
        dog.tricks.append(2)
    async with db.unit_of_work() as session:
        dog = await session.get_one(Dog, 1)
        assert (dog.traits, dog.tricks, dog.shout) == ({"tail": True}, [1, 2], "dog!")
    assert model_name(Base.metadata.tables["unit_animals"]) == "Animal"


async def test_datetime_is_an_instant(db: Database) -> None:
    """What comes back is the same instant, aware and in UTC, to the microsecond."""
    born = datetime(1990, 1, 1, 2, 3, 4, 567891, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    async with db.unit_of_work() as session:
        session.add(Author(name="Ann", born=born))
    async with db.unit_of_work(read_only=True) as session:
        ann = await session.get_one(Author, 1)
    assert ann.born == born
    assert ann.born.tzinfo is UTC
    assert ann.changed.tzinfo is UTC


async def test_naive_datetime_is_refused(db: Database) -> None:
    """Nobody knows which instant a naive datetime is."""
    with pytest.raises(StatementError) as error:
        async with db.unit_of_work() as session:
            session.add(Author(name="Ann", born=datetime(1990, 1, 1)))
    assert isinstance(error.value.orig, NaiveDatetimeError)
    assert "datetime.now(UTC)" in str(error.value)


async def test_value_made_on_update_is_read_back(db: Database) -> None:
    """A value that the database makes on UPDATE needs no lazy load."""
    async with db.unit_of_work() as session:
        ann = Author(name="Ann")
        session.add(ann)
        await session.flush()
        ann.name = "Anne"
        await session.flush()
        assert ann.changed.tzinfo is UTC


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("a.settings['x'] = 1", {"deep": {"list": [1, {"k": 1}]}, "x": 1}),
        ("a.settings['deep']['list'][1]['k'] = 2", {"deep": {"list": [1, {"k": 2}]}}),
        ("a.settings['deep']['list'].append([])", {"deep": {"list": [1, {"k": 1}, []]}}),
        ("a.settings['deep']['list'].insert(0, [])", {"deep": {"list": [[], 1, {"k": 1}]}}),
        ("a.settings['deep']['list'].extend([2])", {"deep": {"list": [1, {"k": 1}, 2]}}),
        ("a.settings['deep']['list'] += [2]", {"deep": {"list": [1, {"k": 1}, 2]}}),
        ("a.settings['deep']['list'][0] = 9", {"deep": {"list": [9, {"k": 1}]}}),
        ("a.settings['deep']['list'][:] = [[3]]", {"deep": {"list": [[3]]}}),
        ("a.settings.update(x={'y': 1})", {"deep": {"list": [1, {"k": 1}]}, "x": {"y": 1}}),
        ("a.settings.setdefault('z', [])", {"deep": {"list": [1, {"k": 1}]}, "z": []}),
        ("a.settings.setdefault('deep', 7)['q'] = 1", {"deep": {"list": [1, {"k": 1}], "q": 1}}),
        ("a.settings |= {'w': [1]}", {"deep": {"list": [1, {"k": 1}]}, "w": [1]}),
        ("a.settings = None", None),
    ],
)  # fmt: skip
async def test_json_change_in_place_is_stored(db: Database, change: str, expected: Any) -> None:
    """A change at any depth reaches the database."""
    async with db.unit_of_work() as session:
        session.add(Author(name="Ann", settings={"deep": {"list": [1, {"k": 1}]}}))
    async with db.unit_of_work() as session:
        a = await session.get_one(Author, 1)
        exec(change, {"a": a})
    async with db.unit_of_work(read_only=True) as session:
        assert (await session.get_one(Author, 1)).settings == expected


async def test_json_arrays_and_scalars(db: Database) -> None:
    """A JSON column may hold an array or a scalar as well."""
    async with db.unit_of_work() as session:
        session.add(Author(name="Ann", tags=[1], anything="x"))
    async with db.unit_of_work() as session:
        ann = await session.get_one(Author, 1)
        ann.tags.append(2)
        assert ann.anything == "x"
        ann.anything = [1]
        await session.flush()
        ann.anything.append(ann.tags)
        ann.tags.append(3)
    async with db.unit_of_work() as session:
        ann = await session.get_one(Author, 1)
        assert (ann.tags, ann.anything) == ([1, 2, 3], [1, [1, 2]])
        await session.refresh(ann, ["name"])
        await session.refresh(ann)
        ann.tags.append(4)
    async with db.unit_of_work() as session:
        assert (await session.get_one(Author, 1)).tags == [1, 2, 3, 4]


async def test_json_values_are_plain_outside() -> None:
    """Copies, pickles and JSON of a tracked value are plain."""
    settings = Author(name="Ann", settings={"a": [1, {"b": 2}]}).settings
    assert settings is not None
    assert json.loads(json.dumps(settings)) == {"a": [1, {"b": 2}]}
    for twin in (copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert type(twin) is dict
        assert type(twin["a"]) is list
        assert twin == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize("name", ["books", "reviewed", "edited"])
async def test_relation_that_was_not_loaded_names_the_option(db: Database, name: str) -> None:
    """A relation that nobody loaded is an error, not a hidden statement."""
    async with db.unit_of_work() as session:
        session.add(Author(name="Ann"))
        await session.flush()
        ann = await session.scalar(select(Author).execution_options(populate_existing=True))
        session.expire(ann, [name])
        with pytest.raises(Exception, match=name):
            getattr(ann, name)


async def test_lazy_load_error_names_relation_and_option(db: Database) -> None:
    """The message holds the line to write."""
    async with db.unit_of_work() as session:
        session.add(Book(author=Author(name="Ann")))
    async with db.unit_of_work(read_only=True) as session:
        ann = await session.get_one(Author, 1)
        with pytest.raises(LazyLoadError, match=r"selectinload\(Author.books\)"):
            _ = ann.books
        book = await session.get_one(Book, 1)
        with pytest.raises(LazyLoadError, match=r"joinedload\(Book.author\)"):
            _ = book.author
    with pytest.raises((LazyLoadError, DetachedInstanceError)):
        _ = ann.books


async def test_loader_options_load(db: Database) -> None:
    """What the message says to write works, and so does a relation's own choice."""
    async with db.unit_of_work() as session:
        session.add(Book(author=Author(name="Ann")))
    async with db.unit_of_work(read_only=True) as session:
        ann = await session.get_one(Author, 1, options=[selectinload(Author.books)])
        assert [book.id for book in ann.books] == [1]
        assert ann.notes == []
        book = await session.scalar(select(Book).options(joinedload(Book.author)))
        assert book is not None
        assert book.author is ann


def _pair_of(base: type[Model]) -> tuple[type[Any], type[Any]]:
    class Parent(base):  # type: ignore[misc,valid-type]
        __tablename__ = "parents"
        id: Mapped[int] = mapped_column(primary_key=True)
        children = relationship("Child")

    class Child(base):  # type: ignore[misc,valid-type]
        __tablename__ = "children"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))

    return Parent, Child


def test_bases_of_two_databases_may_have_classes_of_one_name() -> None:
    """A base with its own metadata finds its own classes by name."""

    class One(Model):
        __abstract__ = True
        metadata = MetaData()

    class Other(Model):
        __abstract__ = True
        metadata = MetaData()

    for parent, child in (_pair_of(One), _pair_of(Other)):
        assert parent.children.property.mapper.class_ is child


class Counter(Base, versioned=True):
    __tablename__ = "unit_counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="plain")
    count: Mapped[int]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012


class LoudCounter(Counter):
    __tablename__ = "unit_loud_counters"
    id: Mapped[int] = mapped_column(ForeignKey("unit_counters.id"), primary_key=True)
    volume: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "loud"}  # noqa: RUF012


class Noted(MappedAsDataclass, Base, versioned=True):
    __tablename__ = "unit_noted"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    version: Mapped[int] = mapped_column("revision", init=False)
    text: Mapped[str]


class Terse(MappedAsDataclass, Base, versioned=True):
    __tablename__ = "unit_terse"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    text: Mapped[str]


@pytest.mark.parametrize(
    ("model", "changed"),
    [(Counter, {"count": 2}), (LoudCounter, {"count": 2}), (LoudCounter, {"volume": 2}),
     (Noted, {"text": "new"}), (Terse, {"text": "new"})],
)  # fmt: skip
async def test_versioned(db: Database, model: type[Any], changed: dict[str, Any]) -> None:
    """Of two units of work that have read a row, the second to write it fails."""
    given = {"count": 1, "volume": 1, "text": "old"}
    named = {each: value for each, value in given.items() if hasattr(model, each)}
    async with db.unit_of_work() as session:
        session.add(row := model(**named))
    first = inspect(row).mapper.primary_key_from_instance(row)
    assert row.version == 1
    async with db.unit_of_work(read_only=True) as session:
        stale = await session.get_one(model, first)
    async with db.unit_of_work() as session:
        fresh = await session.get_one(model, first)
        set_all(fresh, changed)
    assert fresh.version == 2
    with pytest.raises(StaleDataError):
        async with db.unit_of_work() as session:
            session.add(stale)
            set_all(stale, {each: 3 if value == 2 else "newer" for each, value in changed.items()})
            await session.flush()


def set_all(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def test_versioned_without_a_place() -> None:
    """What stands in the way of a version is said."""
    with pytest.raises(ConfigurationError, match=r"Wrong\.version is no column"):

        class Wrong(Base, versioned=True):
            __tablename__ = "unit_wrong"
            id: Mapped[int] = mapped_column(primary_key=True)

            def version(self) -> int:
                return 1

    with pytest.raises(ConfigurationError, match=r"Computed\.__mapper_args__ is no dict"):

        class Computed(Base, versioned=True):
            __tablename__ = "unit_computed"
            id: Mapped[int] = mapped_column(primary_key=True)

            @declared_attr.directive
            def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
                return {}
