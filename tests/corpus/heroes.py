"""Classes of SQLModel, as templates and tutorials have them."""

import enum
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Optional

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Relationship, SQLModel

from tests.corpus.clock import utc_now
from tests.corpus.own_types import NaiveUTC
from tests.corpus.tables import METADATA


class Base(SQLModel, registry=registry(metadata=METADATA)):
    """Of a registry of its own: other tests have heroes, too."""

    metadata = METADATA


class Level(enum.StrEnum):
    """How hard something is."""

    easy = "easy"
    hard = "hard"


class UserBase(Base):
    email: str = Field(unique=True, index=True, max_length=255)
    is_active: bool = True
    is_superuser: bool = False
    full_name: str | None = Field(default=None, max_length=255)


class User(UserBase, table=True):
    __tablename__ = "he_user"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    created_at: datetime | None = Field(default_factory=utc_now, sa_type=sa.DateTime(timezone=True))
    items: list["Item"] = Relationship(back_populates="owner", cascade_delete=True)


class Item(Base, table=True):
    __tablename__ = "he_item"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    title: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    owner_id: uuid.UUID = Field(foreign_key="he_user.id", nullable=False, ondelete="CASCADE")
    owner: User | None = Relationship(back_populates="items")


class HeroTeam(Base, table=True):
    __tablename__ = "he_hero_team"
    team_id: int | None = Field(default=None, foreign_key="he_team.id", primary_key=True)
    hero_id: int | None = Field(default=None, foreign_key="he_hero.id", primary_key=True)
    is_training: bool = False


class Team(Base, table=True):
    __tablename__ = "he_team"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    headquarters: str


class Hero(Base, table=True):
    __tablename__ = "he_hero"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    age: int | None = Field(default=None, index=True)
    teams: list[Team] = Relationship(link_model=HeroTeam)


class Weapon(Base, table=True):
    __tablename__ = "he_weapon"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    damage: Decimal = Field(default=0, max_digits=5, decimal_places=2)
    hero_id: int | None = Field(default=None, foreign_key="he_hero.id")
    hero: Optional["Hero"] = Relationship()


class Course(Base, table=True):
    __tablename__ = "he_course"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    level: Level = Level.easy
    tags: list[str] = Field(default_factory=list, sa_column=sa.Column(sa.JSON))
    creation_date: datetime = Field(default_factory=utc_now, sa_type=NaiveUTC)


class Chapter(Base, table=True):
    __tablename__ = "he_chapter"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    course_id: int | None = Field(
        default=None, sa_column=sa.Column(sa.Integer, sa.ForeignKey("he_course.id"))
    )


class Activity(Base, table=True):
    __tablename__ = "he_activity"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    content: dict[str, Any] = Field(default={}, sa_column=sa.Column(sa.JSON))
    published: bool = False
    chapter_id: int = Field(foreign_key="he_chapter.id")


class Certificate(Base, table=True):
    __tablename__ = "he_certificate"
    id: int | None = Field(default=None, primary_key=True)
    issued: date
    grade: float | None = None


class Flow(Base, table=True):
    __tablename__ = "he_flow"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True, unique=True)
    name: str = Field(index=True)
    data: dict[str, Any] | None = Field(default=None, sa_column=sa.Column(sa.JSON))
    updated_at: datetime | None = Field(default_factory=utc_now, sa_type=NaiveUTC)
    folder_id: uuid.UUID | None = Field(default=None, foreign_key="he_folder.id")


class Folder(Base, table=True):
    __tablename__ = "he_folder"
    id: uuid.UUID | None = Field(default_factory=uuid.uuid4, primary_key=True)
    name: str = Field(index=True)
    parent_id: uuid.UUID | None = Field(default=None, foreign_key="he_folder.id")


class Message(Base, table=True):
    __tablename__ = "he_message"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    sender: str
    text: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    error: bool = Field(default=False)


class Transaction(Base, table=True):
    __tablename__ = "he_transaction"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(default_factory=utc_now, sa_type=NaiveUTC)
    status: str
    inputs: dict[str, Any] | None = Field(default=None, sa_column=sa.Column(sa.JSON))


class Organisation(Base, table=True):
    __tablename__ = "he_organisation"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    slug: str
    email: str
    creation_date: str = ""


class Payment(Base, table=True):
    __tablename__ = "he_payment"
    id: int | None = Field(default=None, primary_key=True)
    amount: Decimal = Field(sa_column=sa.Column(sa.Numeric(10, 2), nullable=False))
    currency: str = Field(default="EUR", max_length=3)


class Book(Base, table=True):
    __tablename__ = "he_book"
    uid: uuid.UUID = Field(
        sa_column=sa.Column(sa.Uuid, nullable=False, primary_key=True, default=uuid.uuid4)
    )
    title: str
    page_count: int
    language: str = "en"
    reviews: list["Review"] = Relationship(
        back_populates="book", sa_relationship_kwargs={"lazy": "selectin"}
    )


class Review(Base, table=True):
    __tablename__ = "he_review"
    uid: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    rating: int = Field(lt=5)
    review_text: str
    book_uid: uuid.UUID | None = Field(default=None, foreign_key="he_book.uid")
    book: Book | None = Relationship(back_populates="reviews")


class Point(Base, table=True):
    __tablename__ = "he_point"
    id: int | None = Field(default=None, primary_key=True)
    x: float = 0.0
    y: float = 0.0

    def model_post_init(self, _context: Any) -> None:
        self.x = round(self.x, 3)
