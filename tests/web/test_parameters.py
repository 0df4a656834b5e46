"""Parameters are read from a request as FastAPI reads them, whatever they are and it sends."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any

import pytest
from fastapi import Cookie, Header, Path, Query
from fastapi.dependencies.utils import get_dependant, request_params_to_args
from pydantic import AliasChoices, BaseModel, BeforeValidator
from starlette.datastructures import Headers, QueryParams

from ormolu.web import _parameters
from ormolu.web._parameters import reader_of


class Colour(Enum):
    RED = "red"


class Page(BaseModel):
    size: int = 5


def upper(value: object) -> object:
    return str(value).upper()


def ask(
    key: Annotated[int, Path()],
    text: str,
    number: int,
    maybe: bool | None = None,
    bounded: Annotated[float, Query(ge=2)] = 3,
    named: Annotated[str, Query(alias="as")] = "",
    otherwise: Annotated[str, Query(validation_alias="else")] = "",
    choice: Annotated[str, Query(validation_alias=AliasChoices("this", "that"))] = "",
    shouted: Annotated[str, BeforeValidator(upper)] = "quiet",
    several: Annotated[list[int], Query()] = [1],  # noqa: B006 -- FastAPI copies it
    colour: Colour = Colour.RED,
    x_token: Annotated[str | None, Header()] = None,
    odd_name: Annotated[str, Header(convert_underscores=False)] = "",
    biscuit: Annotated[int | None, Cookie()] = None,
) -> None:
    """Ask for all kinds of parameters."""


def paged(page: Annotated[Page, Query()]) -> None:
    """Ask for parameters that stand together."""


FULL = (
    "text=t&text=u&number=4&maybe=yes&bounded=2.5&as=n&else=e&that=c&shouted=s&several=2&several=3"
    "&colour=red&size=7"
)
QUERIES = [
    FULL, "", "text=t&number=4", "text=&number=&maybe=&as=", "text=t&number=four&bounded=1",
    "text=%00&number=1e3&maybe=2&otherwise=x&named=x&this=a&that=b", "number=9&colour=blue",
]  # fmt: skip
HEADERS = [
    [], [(b"x-token", b"a"), (b"x-token", b"b"), (b"odd_name", b"o")],
    [(b"X-Token", b"\xff"), (b"odd-name", b"o")], [(b"x_token", b"a")],
]  # fmt: skip


def same(fields: Sequence[Any], source: Any) -> bool:
    return bool(reader_of(fields)(source) == request_params_to_args(fields, source))


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("call", [ask, paged])
def test_query_is_read_as_fastapi_does(call: Any, query: str) -> None:
    """All parameters together, and each by itself: values, names and what is wrong with them."""
    fields = get_dependant(path="/{key}", call=call).query_params
    for each in [fields, *([field] for field in fields)]:
        assert same(each, QueryParams(query))


@pytest.mark.parametrize("headers", HEADERS)
def test_headers_are_read_as_fastapi_does(headers: list[tuple[bytes, bytes]]) -> None:
    """The first of several, in either case, with their underscores as lines."""
    for field in get_dependant(path="/{key}", call=ask).header_params:
        assert same([field], Headers(raw=headers))


@pytest.mark.parametrize("value", ["5", "five", None])
def test_path_and_cookies_are_read_as_fastapi_does(value: str | None) -> None:
    """Both come as plain dicts."""
    dependant = get_dependant(path="/{key}", call=ask)
    for field in dependant.path_params + dependant.cookie_params:
        assert same([field], {} if value is None else {field.alias: value})


def test_plain_values_are_read_without_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked for a value that is there and right."""
    dependant = get_dependant(path="/{key}", call=ask)
    fields = [each for each in dependant.query_params if each.name in {"text", "number", "maybe"}]
    read = reader_of(fields)
    monkeypatch.setattr(_parameters, "parameter_reader", None)
    found, errors = read(QueryParams("text=t&number=4&maybe=no"))
    assert (found, errors) == ({"text": "t", "number": 4, "maybe": False}, [])


def test_field_of_an_unknown_shape_is_left_to_fastapi() -> None:
    """A version that keeps something else of a parameter reads it itself."""
    fields = get_dependant(path="/{key}", call=ask).query_params
    assert not _parameters._is_plain(object())
    assert sum(map(_parameters._is_plain, fields)) == 6
