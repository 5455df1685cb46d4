"""The published JSON Schema of a result."""

from __future__ import annotations

import json

import jsonschema

from orchestrator.result.schema import json_schema
from tests.report import made
from tests.result.varied import REAL


def test_results_of_all_kinds_meet_the_schema() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = jsonschema.Draft202012Validator(schema)
    for result in [made.real(name) for name in ("smoke", "santa_cruz", "session")]:
        validator.validate(json.loads(result.model_dump_json()))
    assert [error.message for error in validator.iter_errors({"lcpp_result": 2})]
    unknown = json.loads(REAL.read_bytes()) | {"unknown": 1}
    assert not validator.is_valid(unknown)
