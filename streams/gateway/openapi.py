"""The OpenAPI document: `python -m streams.gateway.openapi [--check]` writes or compares docs/openapi.json."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.events import EVENT_MODELS
from streams.gateway.examples import ALERT_ID
from streams.gateway.problems import MEDIA_TYPE, ProblemDetails
from streams.gateway.shapes import CommandBody

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"
_REFERENCE = "#/components/schemas/{model}"
_OPEN = ("/healthz", "/readyz")
#: What can go wrong anywhere, and what only where a body is sent.
_ALWAYS = {
    "401": "Nobody we know: no token or key, or one that does not hold.",
    "403": "The role or key may not.",
    "422": "Something does not fit; the detail says what.",
    "429": "Too often: wait for Retry-After.",
    "503": "The broker or ClickHouse is away: the same request later.",
}
_WITH_BODY = {
    "400": "The body cannot be read.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "Another media type, or compressed.",
}
_WITH_ID = {"404": "There is none that you may see."}
_ABOUT = (
    "Takes events and commands, gives alerts, cases and lights. People send `Authorization: Bearer` with a JWT, "
    "systems `X-API-Key`. Errors are problem details (RFC 9457) with one sentence that says what to do. "
    "docs/gateway.md tells more."
)


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title="sfe-pulse gateway", version="1", description=_ABOUT, routes=app.routes)
        models: list[type[BaseModel]] = [*EVENT_MODELS.values(), CommandBody, ProblemDetails]
        _, extra = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in extra["$defs"].items():
            schemas.setdefault(name, schema)
        for path, operations in made["paths"].items():
            for operation in operations.values():
                _complete(path, operation)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Errors of an operation, as problem details."""
    answers = operation["responses"]
    answers.pop("422", None)
    if path in _OPEN:
        return
    if path != "/v1/me":
        operation["security"] = [{"system" if path.startswith("/v1/events/") else "person": []}]
    errors = dict(_ALWAYS)
    if "requestBody" in operation:
        errors |= _WITH_BODY
    if "_id}" in path:
        errors |= _WITH_ID
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter.setdefault("example", ALERT_ID)
    for status, words in sorted(errors.items()):
        answers[status] = {
            "description": words,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }


def render() -> str:
    """Text of the document, the same for the same code."""
    from streams.gateway.app import skeleton  # noqa: PLC0415 - the application asks this module for the document

    return json.dumps(document(skeleton()), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code, 1 when the file is stale."""
    parser = argparse.ArgumentParser(prog="python -m streams.gateway.openapi", description="The OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is stale")
    if not parser.parse_args(arguments).check:
        PATH.write_text(render(), encoding="utf-8")
        return 0
    if PATH.exists() and PATH.read_text(encoding="utf-8") == render():
        return 0
    sys.stderr.write(f"docs/{PATH.name}: the gateway has changed since, run make openapi\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
