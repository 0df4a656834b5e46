"""FastCRUD: `crud_router` with a select_schema, as its documentation's canonical setup has it.

The list counts all rows, and a PATCH answers null: there is no option against either.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastcrud import crud_router
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.programs.plain_model import Base, User
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts

engine = create_async_engine(os.environ["DATABASE_URL"])
maker = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


async def get_session() -> AsyncGenerator[AsyncSession, None]:
    async with maker() as session:
        yield session


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None, None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(
    crud_router(
        session=get_session,
        model=User,
        create_schema=UserIn,
        update_schema=UserChange,
        select_schema=UserOut,
        path="/users",
    )
)
app.include_router(
    crud_router(
        session=get_session,
        model=User,
        create_schema=UserIn,
        update_schema=UserChange,
        select_schema=UserWithPosts,
        include_relationships=["posts"],
        include_one_to_many=True,
        included_methods=["read"],
        path="/users-with-posts",
    )
)
