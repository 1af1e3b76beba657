"""JSON Schemas of every shape that crosses a boundary, written for people and tools that do not run Python.

python -m schemas.publish docs/schemas            write them
python -m schemas.publish --check docs/schemas    fail where the files and the models differ
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from schemas.alerts import Alert
from schemas.cases import CaseCommand, CaseEvent
from schemas.compliance import ListFile, RuleFile
from schemas.delivery import Delivery, DeliveryPolicy, Message
from schemas.events import EVENT_MODELS
from schemas.intake_policy import IntakePolicy
from schemas.lights import LightPolicy
from schemas.lights_output import LightChange, LightReading
from schemas.mapping import Mapping
from schemas.outputs import DeadLetter
from schemas.policy import KpiPolicy
from schemas.quarantine import QuarantinedEvent
from schemas.reference import REFERENCE_MODELS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: File name without ending -> model.
PUBLISHED: dict[str, type[BaseModel]] = {
    **{f"event-{kind}": model for kind, model in EVENT_MODELS.items()},
    **{f"reference-{kind.replace('_', '-')}": model for kind, model in REFERENCE_MODELS.items()},
    "alert": Alert,
    "case-command": CaseCommand,
    "case-event": CaseEvent,
    "dead-letter": DeadLetter,
    "delivery": Delivery,
    "delivery-message": Message,
    "import-mapping": Mapping,
    "light": LightReading,
    "light-change": LightChange,
    "policy-compliance": RuleFile,
    "policy-compliance-intake": IntakePolicy,
    "policy-compliance-lists": ListFile,
    "policy-delivery": DeliveryPolicy,
    "policy-kpis": KpiPolicy,
    "policy-lights": LightPolicy,
    "quarantined-event": QuarantinedEvent,
}


def render() -> dict[str, str]:
    """File name -> text of every schema, the same text for the same models."""
    return {f"{name}.json": _text(model) for name, model in PUBLISHED.items()}


def _text(model: type[BaseModel]) -> str:
    schema = {"$schema": _DIALECT, **model.model_json_schema(mode="validation")}
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def stale(folder: Path) -> list[str]:
    """One line per file in `folder` that does not say what the models say."""
    texts = render()
    problems = [_compare(folder / name, text) for name, text in texts.items()]
    problems += [
        f"{path}: no model has this schema, delete it" for path in folder.glob("*.json") if path.name not in texts
    ]
    return sorted(problem for problem in problems if problem)


def _compare(path: Path, text: str) -> str | None:
    if not path.exists():
        return f"{path}: missing, run make schemas"
    if path.read_text(encoding="utf-8") != text:
        return f"{path}: the model has changed since, run make schemas"
    return None


def write(folder: Path) -> None:
    """Write every schema into `folder`, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in render().items():
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code, 1 when a file is stale."""
    parser = argparse.ArgumentParser(prog="python -m schemas.publish", description="JSON Schemas of the models.")
    parser.add_argument("--check", action="store_true", help="write nothing; name every stale file and fail")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    if not asked.check:
        write(asked.folder)
        return 0
    problems = stale(asked.folder)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
