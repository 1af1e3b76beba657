"""One shard with the guard of the shipped policy, and visits for it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from agents.compliance.judge import Surroundings
from agents.compliance.rule_book import empty_rule_book
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.placement import Placement
from agents.intake.shard import Limits, Record, Shard
from agents.progress.calendar import CompanyTime
from agents.progress.outputs import RollingWindows
from agents.progress.plan import Plan
from agents.progress.state import ProgressState
from schemas.intake_policy import IntakePolicy
from schemas.reference import Hcp, Institution, OrganisationNode, Product, Rep
from streams import policies
from streams.engine.checkpoint import OwnedShard, Snapshot, take_snapshot
from streams.topics import shard_of

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
POLICY = IntakePolicy.model_validate(
    yaml.safe_load((ROOT / "policies" / "compliance" / "intake.yaml").read_text(encoding="utf-8"))
)
SECRET = "陈医生本月开了120盒安脉平"
WHEN = "2026-03-04T10:00:00+08:00"
VISIT = {
    "event_id": "V1",
    "occurred_at": WHEN,
    "check_in_at": WHEN,
    "source": "crm",
    "rep_id": "R1",
    "institution_id": "I1",
    "hcp_id": "H1",
}


def shard(intake: IntakePolicy = POLICY) -> Shard:
    rows: dict[str, list[Any]] = {
        "rep": [Rep(rep_id="R1", name="王敏", name_en="Min Wang", team_id="T")],
        "node": [
            OrganisationNode(node_id="T", name="T", level="team", parent_id="N"),
            OrganisationNode(node_id="N", name="N", level="region"),
        ],
        "institution": [Institution(institution_id="I1", name="一院", latitude=31.2, longitude=121.4)],
        "hcp": [Hcp(hcp_id="H1", name="陈")],
        "product": [Product(product_id="P1", name="安脉平")],
    }
    directory, time = Directory(rows), CompanyTime("Asia/Shanghai")
    book = replace(empty_rule_book(), intake=intake)
    progress = ProgressState(Plan(policies.load(ROOT / "policies")), directory, time)
    surroundings = Surroundings(book, References(rows, directory), directory, time)
    limits = Limits(100_000, timedelta(days=1), timedelta(seconds=30))
    return Shard(Placement(0, 1, shard_of), progress, limits, surroundings)


def visit(event_id: str, **fields: Any) -> bytes:
    return json.dumps(VISIT | {"event_id": event_id} | fields, ensure_ascii=False).encode()


def snapshot(one: Shard, *values: bytes | None, key: bytes = b"R1", at: datetime = NOW) -> Snapshot:
    one.take("visits", [Record(key, value, 7 + place) for place, value in enumerate(values)], at)
    return take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, at)
