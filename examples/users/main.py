"""The users API twice: written by hand on `SessionDep`, and as a resource at `/people`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, Path, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, resource


class User(Model):
    """A person with a name."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)


Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
UserId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class UserCreate(BaseModel):
    """What a client sends."""

    name: Name


class UserPublic(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


db = Database()
app = FastAPI(title="Users")
db.attach(app)


@app.post("/users/", status_code=201, response_model=UserPublic)
async def create_user(
    session: SessionDep,
    response: Response,
    body: UserCreate | None = None,
    name: Annotated[Name | None, Query()] = None,
) -> User:
    """Store a user, named in the JSON body or by `?name=`; committed before the answer leaves.

    Raises:
        RequestValidationError: There is neither.
    """
    if body is None and name is None:
        missing = {"type": "missing", "loc": ("body",), "msg": "Field required"}
        raise RequestValidationError([missing])
    user = User(name=body.name if body else name)
    session.add(user)
    await session.flush()
    response.headers["Location"] = f"/users/{user.id}"
    return user


@app.get("/users/{user_id}", response_model=UserPublic)
async def read_user(user_id: UserId, session: SessionDep) -> User:
    """Return one user; an unknown id is answered with 404 "User not found"."""
    return await session.get_one(User, user_id)


@app.get("/users/", response_model=list[UserPublic])
async def list_users(
    session: SessionDep, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> Sequence[User]:
    """Return the first users, by id."""
    return (await session.scalars(select(User).order_by(User.id).limit(limit))).all()


app.include_router(resource(User, path="/people"))
