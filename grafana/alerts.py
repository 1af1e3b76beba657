"""Alert rules for those who run the engine, as a file that Grafana provisions.

Alert rules know no variables and no `$__conditionalAll`; each statement gives one number, and a threshold decides.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from grafana.query import DATA_SOURCE_TYPE, DATA_SOURCE_UID, PLUGIN_VERSION, TABLE
from grafana.signals import compliance, pipeline

_HEAD = """# Alert rules for operators, written by `make boards` from grafana/alerts.py. Where they are sent is set in
# Grafana (Alerting, contact points); the label severity is critical or warning.
"""
_FOLDER = "sfe-pulse"
#: Relative range of a query, seconds; the statements have their own.
_RANGE_S = 900


@dataclass(frozen=True)
class Alert:
    """One rule.

    Attributes:
        uid: of the rule.
        title: in both languages.
        summary: what to do, in both languages.
        sql: one row with one number.
        above: the rule fires above this.
        lasting: how long it must be so.
        severity: critical or warning.
        silence: what no row means: Alerting, OK or NoData.
        board: where to look.
    """

    uid: str
    title: str
    summary: str
    sql: str
    above: float
    lasting: str
    severity: str
    silence: str = "OK"
    board: str = "pulse-pipeline"


ALERTS = (
    Alert(
        "pulse-worker-missing",
        "工作进程失联 · Worker missing",
        "有进程 60 秒没有心跳且未正常退出：查看其日志。"
        " · A worker has said nothing for a minute and did not leave: look at its log.",
        pipeline.MISSING_SQL,
        0,
        "1m",
        "critical",
    ),
    Alert(
        "pulse-no-worker",
        "没有工作进程 · No worker",
        "没有任何进程在读取事件：启动工作进程。 · Nobody reads events: start workers.",
        pipeline.NOBODY_SQL,
        0,
        "2m",
        "critical",
    ),
    Alert(
        "pulse-lag",
        "积压过多 · Lag",
        "十万条以上消息尚未读取，持续五分钟：增加进程。"
        " · More than 100 000 messages wait for five minutes: add workers.",
        pipeline.LAG.sql,
        100_000,
        "5m",
        "warning",
    ),
    Alert(
        "pulse-checkpoint-age",
        "检查点过旧 · Checkpoints are late",
        "距上一轮检查点超过 60 秒：查看 ClickHouse、Redis 与 Kafka。"
        " · More than 60 s since a round of checkpoints: look at ClickHouse, Redis and Kafka.",
        pipeline.CHECKPOINT_AGE.sql,
        60,
        "1m",
        "critical",
    ),
    Alert(
        "pulse-dead-letters",
        "死信增多 · Dead letters",
        "十分钟内超过 100 条输入无法使用：运行 pulse dead-letters list。"
        " · More than 100 inputs in ten minutes could not be used: run `pulse dead-letters list`.",
        pipeline.NEW_LETTERS_SQL,
        100,
        "0s",
        "warning",
    ),
    Alert(
        "pulse-red-unseen",
        "禁止级案件无人确认 · Red case unseen",
        f"有禁止级案件超过 {compliance.UNSEEN_RED_MINUTES} 分钟无人确认：打开合规看板处理。"
        f" · A red case has waited more than {compliance.UNSEEN_RED_MINUTES} minutes for somebody to see it: open the "
        "board Compliance.",
        compliance.UNSEEN_RED_SQL,
        0,
        "0s",
        "critical",
        board="pulse-compliance",
    ),
)


def text() -> str:
    """The file as Grafana reads it."""
    group = {
        "orgId": 1,
        "name": "pipeline",
        "folder": _FOLDER,
        "interval": "1m",
        "rules": [_rule(alert) for alert in ALERTS],
    }
    return _HEAD + yaml.safe_dump({"apiVersion": 1, "groups": [group]}, allow_unicode=True, sort_keys=False, width=110)


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "uid": alert.uid,
        "title": alert.title,
        "condition": "C",
        "data": [_query(alert.sql), _last_number(), _threshold(alert.above)],
        "noDataState": alert.silence,
        "execErrState": "Error",
        "for": alert.lasting,
        "annotations": {"summary": alert.summary, "__dashboardUid__": alert.board},
        "labels": {"severity": alert.severity, "product": "sfe-pulse"},
    }


def _query(sql: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": _RANGE_S, "to": 0},
        "datasourceUid": DATA_SOURCE_UID,
        "model": {
            "datasource": {"type": DATA_SOURCE_TYPE, "uid": DATA_SOURCE_UID},
            "editorType": "sql",
            "format": TABLE,
            "pluginVersion": PLUGIN_VERSION,
            "rawSql": sql,
            "refId": "A",
        },
    }


def _expression(ref: str, **model: Any) -> dict[str, Any]:
    source = {"type": "__expr__", "uid": "__expr__"}
    return {"refId": ref, "datasourceUid": "__expr__", "model": {"datasource": source, "refId": ref, **model}}


def _last_number() -> dict[str, Any]:
    return _expression("B", type="reduce", expression="A", reducer="last")


def _threshold(above: float) -> dict[str, Any]:
    evaluator = {"type": "gt", "params": [above]}
    return _expression("C", type="threshold", expression="B", conditions=[{"evaluator": evaluator}])
