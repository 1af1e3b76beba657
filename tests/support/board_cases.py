"""Alerts, cases and trial hits for the boards, made from the events of a simulated quarter."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client
from simulated_quarter import Quarter

#: Rule, severity, colour, kind of subject.
RULES = {
    "R19-far": ("prohibited", "red", "rep"),
    "R20": ("monitor", "yellow", "rep"),
    "R17": ("avoid", "amber", "institution"),
    "R06": ("prohibited", "red", "rep"),
}
TRIAL = "trial-200m"
#: Age of an alert by its number, hours: one of each bucket of the board.
_AGES = (0.5, 5, 50, 100, 500)
_TREE = {
    "text": "away_m > far_m",
    "value": "true",
    "parts": [
        {
            "text": "away_m",
            "value": "8123.4",
            "parts": [{"text": "distance_m(check_in, institution)", "value": "8130.9"}],
        },
        {"text": "far_m", "value": "500", "parts": []},
    ],
}


@dataclass
class Cases:
    """What was put in.

    Attributes:
        alerts: as inserted, with state, verdict, seen and closed (moments or None).
        hits: (rule set, rule, event).
    """

    alerts: list[dict[str, Any]]
    hits: list[tuple[str, str, str]]

    @property
    def newest(self) -> dict[str, Any]:
        """The alert the case board begins with."""
        return min(self.alerts, key=lambda one: (-one["raised_at"].timestamp(), one["alert_id"]))


def store_cases(client: Client, made: Quarter, paths: dict[str, tuple[str, str, str]]) -> Cases:
    """Fill the tables of alerts, hits and cases."""
    faked = sorted(made.story("faked_visits")["event_ids"])[:12]
    visits = [visit for visit in made.events["visit"] if visit["event_id"] in faked]
    meals = [event for event in made.events["activity"] if event["kind"] == "meal"]
    meals = sorted(meals, key=lambda meal: (meal["rep_id"] != min(paths), meal["event_id"]))[:4]
    now = datetime.now(UTC).replace(microsecond=0)
    alerts: list[dict[str, Any]] = []
    for number, visit in enumerate(visits):
        alerts.append(_alert("R19-far", "visit", visit, paths, now - timedelta(hours=_AGES[number % 5])))
        if number % 2:
            alerts.append(_alert("R20", "visit", visit, paths, now - timedelta(hours=_AGES[number % 5] + 0.1)))
    alerts += [_alert("R17", "activity", meal, paths, now - timedelta(hours=60)) for meal in meals]
    alerts[-1] |= {"team_id": "", "region_id": ""}  # of somebody who belonged to no team on that day
    alerts += [_set_aside(visit, paths, now - timedelta(minutes=45)) for visit in visits[:2]]
    alerts += [_set_aside(visits[2], paths, now - timedelta(days=30))]
    names = list(alerts[0])
    client.insert("alerts", [list(one.values()) for one in alerts], column_names=names)
    hits = _hits(client, alerts, now)
    for number, alert in enumerate(alerts):
        alert |= {"state": "open", "verdict": "", "seen": None, "closed": None}
        if number % 3 == 0:
            _work(alert, number)
    _audit(client, alerts)
    return Cases(alerts, hits)


def _alert(
    rule: str, kind: str, event: dict[str, Any], paths: dict[str, tuple[str, str, str]], raised: datetime
) -> dict[str, Any]:
    severity, colour, subject = RULES[rule]
    team, region, _ = paths[event["rep_id"]]
    text = f"{rule}:{event['event_id']}"
    return {
        "alert_id": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "rule_id": rule,
        "rule_version": 1,
        "title_zh": f"规则{rule}",
        "title_en": f"Title of {rule}",
        "severity": severity,
        "colour": colour,
        "message_zh": f"{event['rep_id']}违反{rule}",
        "message_en": f"{event['rep_id']} broke {rule}",
        "subject_kind": subject,
        "subject_id": event["rep_id"] if subject == "rep" else event["institution_id"],
        "rep_id": event["rep_id"],
        "institution_id": event["institution_id"],
        "hcp_id": event.get("hcp_id") or "",
        "team_id": team,
        "region_id": region,
        "event_kind": kind,
        "event_id": event["event_id"],
        "occurred_at": datetime.fromisoformat(event["occurred_at"]),
        "raised_at": raised,
        "owner": "compliance",
        "basis": json.dumps([{"article": "虚假拜访", "source": "指引 2025", "note": None}], ensure_ascii=False),
        "explanation": json.dumps(_TREE),
        "version": 1,
    }


def _set_aside(visit: dict[str, Any], paths: dict[str, tuple[str, str, str]], raised: datetime) -> dict[str, Any]:
    """The alert of a visit that was not let in."""
    parts = [{"text": "quarantine", "value": "0" * 32, "parts": []}]
    tree = {"text": "R06", "value": "yes", "parts": parts}
    return _alert("R06", "visit", visit, paths, raised) | {"rule_version": 0, "explanation": json.dumps(tree)}


def _work(alert: dict[str, Any], number: int) -> None:
    """Every third case is seen after ten minutes; every second of them closed after an hour."""
    alert |= {"state": "in_review", "seen": alert["raised_at"] + timedelta(minutes=10)}
    if number % 2:
        verdict = "false_alarm" if number % 9 == 0 else "valid"
        alert |= {"state": "closed", "verdict": verdict, "closed": alert["raised_at"] + timedelta(hours=1)}


def _hits(client: Client, alerts: list[dict[str, Any]], now: datetime) -> list[tuple[str, str, str]]:
    """Live hits of all alerts; the version on trial has every second of R20, and one more event."""
    twenty = [alert for alert in alerts if alert["rule_id"] == "R20"]
    rows = [("live", alert, alert["event_id"], "raised") for alert in alerts]
    rows += [(TRIAL, alert, alert["event_id"], "trial") for alert in twenty[::2]]
    rows.append((TRIAL, twenty[0], "another", "trial"))
    shared = ("rule_id", "rule_version", "subject_kind", "subject_id", "rep_id", "team_id", "region_id", "event_kind")
    names = [*shared, "rule_set", "event_id", "occurred_at", "status", "alert_id", "judged_at", "version"]
    client.insert(
        "rule_hits",
        [
            [
                *(alert[name] for name in shared),
                rule_set,
                event,
                alert["occurred_at"],
                status,
                alert["alert_id"],
                now,
                1,
            ]
            for rule_set, alert, event, status in rows
        ],
        column_names=names,
    )
    return [(rule_set, alert["rule_id"], event) for rule_set, alert, event, _ in rows]


def _audit(client: Client, alerts: list[dict[str, Any]]) -> None:
    rows: list[list[Any]] = []

    def tell(alert: dict[str, Any], action: str, at: datetime, state: str, **more: Any) -> None:
        by = None if action == "open" else "LI"
        rows.append(
            [
                *(0, len(rows) + 1, "0" * 64, "0" * 64, alert["alert_id"], f"{action}:{len(rows)}", action, "done"),
                *(state, more.get("verdict"), by, by and "compliance", more.get("remark"), at, at, alert["rule_id"]),
            ]
        )

    for alert in alerts:
        tell(alert, "open", alert["raised_at"], "open")
        if alert["seen"]:
            tell(alert, "review", alert["seen"], "in_review")
        if alert["closed"]:
            tell(alert, "close", alert["closed"], "closed", verdict=alert["verdict"], remark="核实完毕")
    names = ["chain", "number", "previous_hash", "hash", "case_id", "command_id", "action", "outcome", "state"]
    names += ["verdict", "by_id", "by_role", "remark", "at", "recorded_at", "rule_id"]
    client.insert("case_audit", rows, column_names=names)
