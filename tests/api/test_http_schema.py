"""The OpenAPI description is true: generated requests get the replies it describes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.http_server import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("shop")) as number:
        yield number


@pytest.mark.timeout(900)  # many routes, and on a busy machine each request waits
def test_generated_requests_get_the_replies_described(port: int) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 10
    for operation in operations:
        try_out(operation, schemathesis.GenerationMode.POSITIVE)
        if operation.query.items or operation.body.items:  # what takes nothing cannot be asked wrongly
            try_out(operation, schemathesis.GenerationMode.NEGATIVE)


def try_out(operation, mode) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case) -> None:
        case.call_and_validate(checks=CHECKS)

    send()
