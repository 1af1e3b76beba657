"""Views of cases as the contract names their columns, where the database has none: every alert is an open case."""

from clickhouse_connect.driver.client import Client

_CASES = """
    CREATE VIEW IF NOT EXISTS case_log AS SELECT
        alert_id AS case_id, rule_id, severity, colour, title_zh, title_en, message_zh, message_en, subject_kind,
        subject_id, rep_id, institution_id, hcp_id, team_id, region_id, event_kind, event_id, occurred_at, raised_at,
        owner, 'open' AS state, '' AS verdict, '' AS assignee, CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS
        acknowledged_at, '' AS acknowledged_by, CAST(NULL AS Nullable(DateTime64(6, 'UTC'))) AS closed_at, '' AS
        closed_by, '' AS remark, toUInt32(0) AS reopened, CAST([] AS Array(String)) AS linked, raised_at AS changed_at
    FROM alert_log"""
_TIMELINE = """
    CREATE VIEW IF NOT EXISTS case_timeline AS SELECT
        alert_id AS case_id, toUInt64(1) AS number, 'open' AS action, 'done' AS outcome, '' AS reason,
        concat('open:', alert_id) AS command_id, '' AS by_id, '' AS by_role, '' AS remark, raised_at AS at,
        raised_at AS recorded_at, 'open' AS state, '' AS verdict, '' AS assignee
    FROM alert_log"""
_PRECISION = """
    CREATE VIEW IF NOT EXISTS rule_precision AS SELECT
        rule_id, count() AS alerts, count() AS open, toUInt64(0) AS closed, toUInt64(0) AS valid,
        toUInt64(0) AS false_alarms, toUInt64(0) AS tolerated, CAST(NULL AS Nullable(Float64)) AS precision
    FROM alert_log GROUP BY rule_id"""


def ensure(client: Client) -> None:
    """Make the views that are missing."""
    for statement in (_CASES, _TIMELINE, _PRECISION):
        client.command(statement)
