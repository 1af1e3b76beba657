"""JSON Schemas: every model has one, and a stale file is named."""

import json
import re
from pathlib import Path

import pytest

from schemas.events import EVENT_MODELS
from schemas.publish import main, render
from schemas.reference import REFERENCE_MODELS


def test_every_model_is_published() -> None:
    names = set(render())

    assert {f"event-{kind}.json" for kind in EVENT_MODELS} < names
    assert {f"reference-{kind.replace('_', '-')}.json" for kind in REFERENCE_MODELS} < names
    assert {"dead-letter.json", "import-mapping.json", "policy-kpis.json"} < names


def test_unknown_fields_are_excluded_in_the_schemas_too() -> None:
    for name, text in render().items():
        assert json.loads(text)["additionalProperties"] is False, name


def test_the_kpi_schema_allows_what_the_policy_reader_allows() -> None:
    definitions = json.loads(render()["policy-kpis.json"])["$defs"]

    texts = [
        kind["pattern"] for kind in definitions["Kpi"]["properties"]["periods"]["items"]["anyOf"] if "pattern" in kind
    ]
    assert [bool(re.search(texts[0], word)) for word in ("rolling 5 minutes", "rolling 1 day", "week")] == [
        True,
        True,
        False,
    ]
    where = definitions["Kpi"]["properties"]["where"]["additionalProperties"]["anyOf"]
    assert {kind.get("type", "Condition") for kind in where} >= {"Condition", "string", "number", "array"}


def test_what_was_written_is_in_step(tmp_path: Path) -> None:
    assert main([str(tmp_path / "schemas")]) == 0
    assert main(["--check", str(tmp_path / "schemas")]) == 0


def test_stale_missing_and_foreign_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path)])
    (tmp_path / "event-sale.json").write_text("{}\n", encoding="utf-8")
    (tmp_path / "event-visit.json").unlink()
    (tmp_path / "event-parade.json").write_text("{}\n", encoding="utf-8")

    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/event-parade.json: no model has this schema, delete it",
        f"{tmp_path}/event-sale.json: the model has changed since, run make schemas",
        f"{tmp_path}/event-visit.json: missing, run make schemas",
    ]
