"""The tracker, one application per test, as a project that uses Ormolu would test its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.websockets import WebSocketDisconnect

from examples.tracker import jobs
from examples.tracker.access import current_member
from examples.tracker.main import make_app
from examples.tracker.models import Job, Member, Role, Task, Tenant
from ormolu import request_session
from tests.fixtures.apps import client_of


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> FastAPI:
    """The application, on a new database."""
    return make_app(database_url, f"sqlite:///{tmp_path}/archive.db")


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application."""
    async with client_of(app) as client:
        yield client


class Someone:
    """A client with a token."""

    def __init__(self, client: httpx2.AsyncClient, token: str) -> None:
        self.client = client
        self.token = token

    async def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        """Send a request, check the status and return what the answer holds."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = await self.client.request(method, path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        return (
            answer.json() if answer.content and "json" in answer.headers["content-type"] else answer
        )


async def sign_up(client: httpx2.AsyncClient, name: str) -> Someone:
    """Make a tenant, and return its owner."""
    body = {"email": f"{name}@example.com", "password": "correct horse", "tenant": name}
    answer = await client.post("/sign-up", json=body)
    assert answer.status_code == 201, answer.text
    return Someone(client, answer.json()["token"])


async def with_tasks(client: httpx2.AsyncClient, name: str, count: int = 3) -> Someone:
    """Make a tenant with a project and so many tasks."""
    ann = await sign_up(client, name)
    project = await ann.ask("POST", "/projects", 201, json={"name": "house"})
    for number in range(count):
        body = {"project_id": project["id"], "title": f"{name} {number}", "minutes": 10 * number}
        await ann.ask("POST", "/tasks", 201, json=body)
    return ann


@pytest.mark.long
async def test_accounts(client: httpx2.AsyncClient) -> None:
    """Sign-up and login give tokens; a wrong password, a second sign-up and no token do not."""
    await sign_up(client, "ann")
    body = {"email": "ann@example.com", "password": "correct horse"}
    again = Someone(client, (await client.post("/login", json=body)).json()["token"])
    assert [each["role"] for each in await again.ask("GET", "/members", 200)] == ["owner"]
    for wrong in ({**body, "password": "wrong horse"}, {**body, "email": "bo@example.com"}):
        assert (await client.post("/login", json=wrong)).status_code == 401
    assert (await client.post("/sign-up", json={**body, "tenant": "other"})).status_code == 409
    assert (await client.get("/tasks")).status_code == 401
    assert (await client.get("/tasks", headers={"Authorization": "Bearer x"})).status_code == 401


@pytest.mark.long
async def test_64_log_in_at_once(client: httpx2.AsyncClient) -> None:
    """Hashing holds nothing of the database: all are let in."""
    await sign_up(client, "ann")
    body = {"email": "ann@example.com", "password": "correct horse"}
    answers = await asyncio.gather(*(client.post("/login", json=body) for _ in range(64)))
    assert [each.status_code for each in answers] == [200] * 64


@pytest.mark.long
async def test_tenants_are_apart(client: httpx2.AsyncClient) -> None:
    """Whatever way somebody takes, there is nothing of another tenant."""
    ann, bo = await with_tasks(client, "ann"), await with_tasks(client, "bo")
    for one, other in ((ann, bo), (bo, ann)):
        theirs = (await other.ask("GET", "/tasks", 200))["items"]
        key, project = theirs[0]["id"], theirs[0]["project_id"]
        assert len((await one.ask("GET", "/tasks?include=project", 200))["items"]) == 3
        for method, path, status, body in (
            ("GET", f"/tasks/{key}", 404, None),
            ("PATCH", f"/tasks/{key}", 404, {"title": "x"}),
            ("DELETE", f"/tasks/{key}", 404, None),
            ("POST", f"/tasks/{key}/move", 404, {"position": 0}),
            ("PUT", f"/tasks/{key}/labels", 404, []),
            ("POST", f"/tasks/{key}/report", 404, None),
            ("POST", "/tasks", 403, {"project_id": project, "title": "x"}),
            ("GET", f"/projects/{project}", 404, None),
            ("POST", f"/projects/{project}/import", 404, None),
        ):
            await one.ask(method, path, status, json=body)
        assert await one.ask("GET", "/search?words=o", 200) == [
            each["id"]
            for each in (await one.ask("GET", "/tasks?title__ilike=%25o%25", 200))["items"]
        ]
    assert len((await bo.ask("GET", "/tasks", 200))["items"]) == 3


@pytest.mark.long
async def test_roles(client: httpx2.AsyncClient) -> None:
    """Viewers see and change nothing; workers work; owners own."""
    ann = await with_tasks(client, "ann")
    key = (await ann.ask("GET", "/tasks", 200))["items"][0]["id"]
    found = {}
    for role in ("viewer", "worker"):
        body = {"email": f"{role}@example.com", "password": "correct horse", "role": role}
        await ann.ask("POST", "/members", 201, json=body)
        token = (await client.post("/login", json=body)).json()["token"]
        found[role] = Someone(client, token)
    for role, status in (("viewer", 403), ("worker", 200)):
        await found[role].ask("GET", f"/tasks/{key}", 200)
        await found[role].ask("PATCH", f"/tasks/{key}", status, json={"title": role})
        await found[role].ask("POST", "/members", 403, json={**body, "email": "c@example.com"})
        await found[role].ask("POST", "/projects", 403, json={"name": "x"})
    await found["viewer"].ask("DELETE", f"/tasks/{key}", 403)


@pytest.mark.long
async def test_deleted_tasks_stay_and_are_shown_to_nobody(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    """DELETE is written by hand on the resource's path."""
    ann = await with_tasks(client, "ann")
    key = (await ann.ask("GET", "/tasks", 200))["items"][0]["id"]
    await ann.ask("DELETE", f"/tasks/{key}", 204)
    await ann.ask("GET", f"/tasks/{key}", 404)
    await ann.ask("DELETE", f"/tasks/{key}", 404)
    project = (await ann.ask("GET", "/projects?include=tasks", 200))["items"][0]
    assert [task["title"] for task in project["tasks"]] == ["ann 1", "ann 2"]
    async with app.state.database.unit_of_work(read_only=True) as session:
        assert await session.scalar(select(func.count()).select_from(Task)) == 3


@pytest.mark.long
async def test_reports(client: httpx2.AsyncClient) -> None:
    """Routes of one's own on paths that look like a key of the resource."""
    ann = await with_tasks(client, "ann")
    stats = await ann.ask("GET", "/tasks/stats", 200)
    assert stats == [{"status": "open", "tasks": 3, "minutes": 30}]
    await ann.ask("POST", "/projects", 201, json={"name": "garden"})
    standings = await ann.ask("GET", "/projects/standings", 200)
    assert [(each["project"], each["rank"]) for each in standings] == [("house", 1), ("garden", 2)]


@pytest.mark.long
async def test_moves_at_once(client: httpx2.AsyncClient) -> None:
    """Two that move tasks of one project do so one after the other."""
    ann = await with_tasks(client, "ann", 5)
    keys = [each["id"] for each in (await ann.ask("GET", "/tasks", 200))["items"]]
    moves = [ann.ask("POST", f"/tasks/{key}/move", 200, json={"position": 0}) for key in keys]
    await asyncio.gather(*moves)
    after = (await ann.ask("GET", "/tasks?sort=position", 200))["items"]
    assert [each["position"] for each in after] == [0, 1, 2, 3, 4]


@pytest.mark.long
async def test_labels_and_files(client: httpx2.AsyncClient) -> None:
    """What hangs on a task."""
    ann = await with_tasks(client, "ann")
    key = (await ann.ask("GET", "/tasks", 200))["items"][0]["id"]
    for name in ("red", "blue"):
        await ann.ask("POST", "/labels", 201, json={"name": name})
    await ann.ask("PUT", f"/tasks/{key}/labels", 200, json=["red", "blue"])
    await ann.ask("PUT", f"/tasks/{key}/labels", 422, json=["green"])
    labelled = (await ann.ask("GET", "/tasks?labels.name=red&include=labels", 200))["items"]
    assert [[label["name"] for label in task["labels"]] for task in labelled] == [["blue", "red"]]
    path = f"/tasks/{key}/attachments"
    file = await ann.ask("POST", f"{path}?name=a", 201, content=b"\x00\xff")
    assert (await ann.ask("GET", f"{path}/{file}", 200)).content == b"\x00\xff"


@pytest.mark.long
async def test_import_export_and_log(client: httpx2.AsyncClient) -> None:
    """Many rows in one statement, many in one stream, and a line in the other database."""
    ann = await with_tasks(client, "ann", 0)
    project = (await ann.ask("GET", "/projects", 200))["items"][0]["id"]
    rows = "".join(f"row {number},{number}\n" for number in range(500))
    path = f"/projects/{project}/import"
    assert await ann.ask("POST", path, 201, content=f"title,minutes\n{rows}".encode()) == 500
    assert (await ann.ask("GET", "/export", 200)).text.count("\n") == 501
    assert await ann.ask("GET", "/log", 200) == ["imported 500"]
    await ann.ask("POST", f"/projects/{project}/finish", 204)


@pytest.mark.long
async def test_jobs_are_done_once(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Several workers share what waits."""
    ann = await with_tasks(client, "ann")
    key = (await ann.ask("GET", "/tasks", 200))["items"][0]["id"]
    for _ in range(20):
        await ann.ask("POST", f"/tasks/{key}/report", 202)
    assert sum(await asyncio.gather(*(jobs.work(app.state.database) for _ in range(4)))) == 20
    async with app.state.database.unit_of_work(read_only=True) as session:
        assert not list(await session.scalars(select(Job).where(Job.done_at.is_(None))))


@pytest.mark.long
def test_news(app: FastAPI) -> None:
    """A WebSocket hears what was committed, and takes a token like all others."""
    with TestClient(app) as client:
        body = {"email": "ann@example.com", "password": "correct horse", "tenant": "ann"}
        token = client.post("/sign-up", json=body).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        project = client.post("/projects", json={"name": "house"}, headers=headers).json()["id"]
        body = {"project_id": project, "title": "x"}
        task = client.post("/tasks", json=body, headers=headers).json()["id"]
        with client.websocket_connect(f"/news?token={token}") as socket:
            assert client.delete(f"/tasks/{task}", headers=headers).status_code == 204
            assert socket.receive_text() == f"deleted {task}"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/news?token=x"):
            pass


@pytest.mark.long
async def test_who_asks_can_be_replaced(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """`dependency_overrides` reach policies and routes alike."""
    async with app.state.database.unit_of_work() as session:
        session.add(Tenant(id=7, name="seven"))
    member = Member(tenant_id=7, user_id=1, role=Role.OWNER)
    app.dependency_overrides[current_member] = lambda: member
    assert (await client.post("/projects", json={"name": "x"})).json()["tenant_id"] == 7
    assert (await client.get("/projects/standings")).status_code == 200


@pytest.mark.long
async def test_everything_can_be_undone(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """One connection for a whole test, rolled back in the end."""
    async with undone(app) as session:
        app.dependency_overrides[request_session] = session
        ann = await with_tasks(client, "ann")
        assert len((await ann.ask("GET", "/tasks", 200))["items"]) == 3
        await ann.ask("GET", "/tasks/stats", 200)
        app.dependency_overrides.clear()
    async with app.state.database.unit_of_work(read_only=True) as session:
        assert await session.scalar(select(func.count()).select_from(Tenant)) == 0


def undone(app: FastAPI) -> AbstractAsyncContextManager[Any]:
    """Give a dependency whose sessions share one transaction, which is rolled back."""

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Any]:
        async with app.state.database.engine.connect() as connection:
            outer = await connection.begin()

            async def session() -> AsyncIterator[AsyncSession]:
                async with AsyncSession(
                    connection, join_transaction_mode="create_savepoint", expire_on_commit=False
                ) as mine:
                    yield mine
                    await mine.commit()

            yield session
            await outer.rollback()

    return transaction()


@pytest.mark.long
async def test_document(client: httpx2.AsyncClient) -> None:
    """Own routes and resources stand in one document, each operation once."""
    document = (await client.get("/openapi.json")).json()
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
    assert document["paths"]["/tasks/{task_id}"]["delete"]["tags"] == ["tasks"]
