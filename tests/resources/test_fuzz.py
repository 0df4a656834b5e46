"""A short run of the fuzzer; `make fuzz` is the long one."""

from __future__ import annotations

import pytest

from tests.resources.fuzz import fuzz, shop_server


@pytest.mark.long
def test_nothing_from_the_document_breaks_the_shop() -> None:
    """Requests made from OpenAPI: no 5xx, every answer as documented, every list readable."""
    with shop_server() as url:
        assert fuzz(url, examples=5) > 100
