"""Advanced Alchemy: its extension for FastAPI with a service, as its documentation's example.

`get_many_and_count` counts all rows, as the example does. COMMIT comes with `commit_mode`.
"""

import os
from typing import Annotated

from advanced_alchemy.extensions.fastapi import (
    AdvancedAlchemy,
    AsyncSessionConfig,
    SQLAlchemyAsyncConfig,
    filters,
    repository,
    service,
)
from fastapi import Depends, FastAPI, Query

from bench.programs.plain_model import Base, User
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts

config = SQLAlchemyAsyncConfig(
    connection_string=os.environ["DATABASE_URL"],
    session_config=AsyncSessionConfig(expire_on_commit=False),
    metadata=Base.metadata,
    create_all=True,
    commit_mode="autocommit",
)
app = FastAPI()
alchemy = AdvancedAlchemy(config=config, app=app)


class UserService(service.SQLAlchemyAsyncRepositoryService[User]):
    class Repository(repository.SQLAlchemyAsyncRepository[User]):
        model_type = User

    repository_type = Repository


def provide_page(
    current_page: int = Query(default=1, ge=1, alias="currentPage"),
    page_size: int = Query(default=20, ge=1, alias="pageSize"),
) -> filters.LimitOffset:
    return filters.LimitOffset(limit=page_size, offset=page_size * (current_page - 1))


Users = Annotated[UserService, Depends(alchemy.provide_service(UserService))]
Page = Annotated[filters.LimitOffset, Depends(provide_page)]


@app.get("/users", response_model=service.OffsetPagination[UserOut])
async def list_users(users: Users, page: Page) -> service.OffsetPagination[UserOut]:
    results, total = await users.get_many_and_count(page)
    return users.to_schema(results, total, filters=[page], schema_type=UserOut)


@app.post("/users", response_model=UserOut)
async def create_user(users: Users, data: UserIn) -> UserOut:
    return users.to_schema(await users.create(data), schema_type=UserOut)


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(users: Users, user_id: int) -> UserOut:
    return users.to_schema(await users.get(user_id), schema_type=UserOut)


@app.patch("/users/{user_id}", response_model=UserOut)
async def change_user(users: Users, data: UserChange, user_id: int) -> UserOut:
    return users.to_schema(await users.update(data, item_id=user_id), schema_type=UserOut)


@app.get("/users/{user_id}/posts", response_model=UserWithPosts)
async def read_user_with_posts(users: Users, user_id: int) -> UserWithPosts:
    user = await users.get(user_id, load=[User.posts])
    return users.to_schema(user, schema_type=UserWithPosts)
