"""What every problem answer must look like (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx2

_ENTRIES = {
    "check_violation": ("check", "not allowed"),
    "exclusion_violation": ("exclusion", "in conflict"),
    "foreign_key_violation": ("foreign_key", "no such row"),
    "invalid_value": ("invalid", "cannot be stored"),
    "not_null_violation": ("missing", "required"),
    "unique_violation": ("unique", "already exists"),
}


def assert_problem(
    response: httpx2.Response,
    status: int,
    code: str,
    detail: str | None = None,
    *,
    fields: Sequence[str] = (),
    base_url: str = "urn:ormolu:problem:",
) -> dict[str, Any]:
    """Check every member of a problem, and one entry per field; return its body."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body.get("code")) == (status, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"{base_url}{code}"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["status"] == status
    assert body["instance"] == response.request.url.path
    assert isinstance(body["detail"], str)
    assert body["detail"]
    if detail is not None:
        assert body["detail"] == detail
    if code in _ENTRIES:
        kind, message = _ENTRIES[code]
        assert body.get("errors", []) == [
            {"pointer": f"/{name}", "loc": ["body", name], "type": kind, "msg": message}
            for name in fields
        ]
    return body
