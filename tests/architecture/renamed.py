"""Run a small application with a library in which one private name is another; print its answers.

`python -m tests.architecture.renamed LIBRARY URL NAME ...`: where the library's source says NAME it
says NAME_renamed, as if its next release did. Each name has a process of its own, forked when the
first module that has it is imported: what was imported before is the same with any other name.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.machinery
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

# Parts of SQLAlchemy are compiled; their sources in Python can be renamed.
os.environ["DISABLE_SQLALCHEMY_CEXT_RUNTIME"] = "1"


class Renaming(importlib.machinery.PathFinder):
    """Finds the modules of a library, in which a name is another."""

    libraries: tuple[str, ...]
    waiting: list[str]
    name = ""
    hits = 0

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        spec = super().find_spec(fullname, path, target)
        if spec is None or fullname.partition(".")[0] not in cls.libraries:
            return spec
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = RenamedLoader(spec.loader.name, spec.loader.path)
        return spec


class RenamedLoader(importlib.machinery.SourceFileLoader):
    """Compiles a module with the name replaced, past the cache of compiled modules."""

    def get_code(self, fullname: str) -> CodeType | None:
        source = Path(self.path).read_text()
        for name in [each for each in Renaming.waiting if has_name(source, each)]:
            fork_for(name)
            if Renaming.name:
                break
        if not Renaming.name or not has_name(source, Renaming.name):
            return super().get_code(fullname)
        source, hits = re.subn(word_of(Renaming.name), f"{Renaming.name}_renamed", source)
        Renaming.hits += hits
        return compile(source, self.path, "exec", dont_inherit=True)


def word_of(name: str) -> str:
    return rf"\b{re.escape(name)}\b"


def has_name(source: str, name: str) -> bool:
    return name in source and re.search(word_of(name), source) is not None


def fork_for(name: str) -> None:
    """Go on in a child, in which the name is another; return here when it has ended."""
    Renaming.waiting.remove(name)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        Renaming.name, Renaming.waiting = name, []


def make_app(url: str) -> Any:
    """Return an application with a resource, its relations, and routes by hand."""
    # After the library is renamed.
    from fastapi import FastAPI, Request
    from sqlalchemy import JSON, ForeignKey, select
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

    from ormolu import Database, LazyLoadError, Model, Policy, SessionDep, resource

    globals().update(Request=Request, Mapped=Mapped, Policy=Policy, SessionDep=SessionDep)

    class Author(Model):
        __tablename__ = "authors"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        books: Mapped[list[Book]] = relationship()

    class Book(Model):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
        title: Mapped[str]

    async def own_books(request: Request) -> Policy:
        return Policy(visible=Book.author_id == int(request.headers.get("x-author", 1)))

    class Diary(Model):
        __tablename__ = "diaries"
        id: Mapped[int] = mapped_column(primary_key=True)
        pages: Mapped[dict[str, Any]] = mapped_column(JSON)

        def __init__(self, **values: Any) -> None:
            super().__init__(**values)
            self.pages["first"] = "made"

    globals().update(Author=Author, Book=Book)
    app = FastAPI()
    Database(url).attach(app)
    books = resource(Book)
    app.include_router(resource(Author, includes={"books": books}))
    app.include_router(books)
    app.include_router(resource(Diary))
    app.include_router(resource(Book, path="/own", policy=own_books))

    @app.get("/hand")
    async def read(session: SessionDep) -> list[Any]:
        found = await session.scalars(select(Author).options(selectinload(Author.books)))
        return [[each.name, [book.title for book in each.books]] for each in found]

    @app.post("/hand")
    async def write(session: SessionDep) -> str:
        author = await session.get_one(Author, 1)
        author.name += "!"
        return author.name

    @app.get("/raised")
    async def raise_it(session: SessionDep) -> list[str]:
        author = await session.get_one(Author, 1)
        session.expire(author, ["name"])
        found = []
        for name in ("books", "name"):
            try:
                found.append(str(getattr(author, name)))
            except (InvalidRequestError, LazyLoadError):
                found.append("not loaded")
        return found

    add_refusals(app)
    return app


def add_refusals(app: FastAPI) -> None:
    """Give an application a route that writes what Python refuses, and what no default makes."""
    from sqlalchemy import Enum
    from sqlalchemy.exc import StatementError
    from sqlalchemy.orm import Mapped, mapped_column

    from ormolu import Model, SessionDep

    globals().update(Mapped=Mapped, SessionDep=SessionDep)

    def fail() -> int:
        raise LookupError

    class Ticket(Model):
        __tablename__ = "tickets"
        id: Mapped[int] = mapped_column(primary_key=True)
        state: Mapped[str] = mapped_column(
            Enum("open", "shut", name="state", validate_strings=True)
        )
        number: Mapped[int] = mapped_column(default=fail)

    @app.post("/refused")
    async def refuse(session: SessionDep) -> list[str]:
        found = []
        for ticket in (Ticket(state="lost", number=1), Ticket(state="open")):
            try:
                async with session.begin_nested():
                    session.add(ticket)
            except StatementError as error:
                found.append(type(error.orig).__name__)
        return found


REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/authors", {"name": "Ann"}),
    ("POST", "/books", {"title": "One", "author_id": 1}),
    ("POST", "/diaries", {"pages": {"second": "sent"}}),
    ("POST", "/authors", {"name": 3}),
    ("GET", "/authors/1", None),
    ("GET", "/authors?include=books", None),
    ("GET", "/authors?include=books", None),
    ("PATCH", "/authors/1", {"name": "Eve"}),
    ("GET", "/own/1", None),
    ("GET", "/own/2", None),
    ("PATCH", "/own/1", {"title": "Two"}),
    ("GET", "/hand", None),
    ("POST", "/hand", None),
    ("GET", "/hand", None),
    ("GET", "/raised", None),
    ("POST", "/refused", None),
    ("GET", "/nothing", None),
    ("GET", "/readyz", None),
]


async def answers_of(app: Any) -> list[Any]:
    """Return the status and the body of the answer to each request."""
    from tests.fixtures.apps import client_of

    found: list[Any] = []
    async with client_of(app) as client:
        for method, path, body in REQUESTS:
            answer = await client.request(method, path, json=body)
            found.append([answer.status_code, answer.text])
        found.append((await client.get("/openapi.json")).json())
    return found


# What takes long to import: what is nothing of a library, and then the library itself.
IMPORTS = {
    "asyncpg": ("fastapi", "sqlalchemy.orm", "asyncpg"),
    "fastapi": ("sqlalchemy.ext.asyncio", "fastapi"),
    "pydantic": ("sqlalchemy.ext.asyncio", "fastapi"),
    "sqlalchemy": ("fastapi", "sqlalchemy.ext.asyncio"),
    "starlette": ("sqlalchemy.ext.asyncio", "fastapi"),
}


def main() -> None:
    """Print the answers for each name, what was renamed, and what the log says of it."""
    library, url, *names = sys.argv[1:]
    # Half the time of a child, which has ended before there is anything to collect.
    gc.disable()
    # FastAPI reads what Starlette keeps to itself, too.
    Renaming.libraries = ("starlette", "fastapi") if library == "starlette" else (library,)
    Renaming.waiting = names
    sys.meta_path.insert(0, Renaming)
    try:
        for module in ("httpx2", *IMPORTS[library]):
            importlib.import_module(module)
        while Renaming.waiting and not Renaming.name:
            # Of a module that the application imports, or of none.
            fork_for(Renaming.waiting[0])
        if Renaming.name:
            report(Renaming.name, url)
    except Exception:
        print(json.dumps({"name": Renaming.name, "failed": traceback.format_exc()}))
    finally:
        # To take all of the modules apart takes long, too.
        sys.stdout.flush()
        os._exit(0)


def report(name: str, url: str) -> None:
    """Print the answers with one name renamed, as a line of JSON."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ormolu").addHandler(handler)
    answers = asyncio.run(answers_of(make_app(url)))
    print(json.dumps({"name": name, "answers": answers, "hits": Renaming.hits, "said": said}))


if __name__ == "__main__":
    main()
