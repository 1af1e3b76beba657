"""The engine itself: lag, checkpoints, dead letters, storage. For those who run it."""

from grafana.looks import AMBER, GREEN, RED
from grafana.signals.signal import Column, Signal

#: A worker that has said nothing for this long is missing.
MISSING_S = 60

#: One row a worker that spoke in the last quarter of an hour.
_WORKERS = """(
    SELECT worker, dateDiff('second', max(at), now64(3)) AS age, argMax(stopped, at) AS gone FROM worker_status
    WHERE at > now64(3) - INTERVAL 15 MINUTE GROUP BY worker
)"""
MISSING_SQL = f"SELECT countIf(age > {MISSING_S} AND NOT gone) AS missing FROM {_WORKERS}"
NOBODY_SQL = f"SELECT countIf(age <= {MISSING_S} AND NOT gone) = 0 AS nobody FROM {_WORKERS}"
NEW_LETTERS_SQL = "SELECT count() AS letters FROM dead_letters FINAL WHERE at > now64(3) - INTERVAL 10 MINUTE"

WORKERS = Signal(
    "pipeline_workers",
    "[[工作进程|Workers]]",
    f"[[{MISSING_S} 秒内有心跳的进程；15 分钟内消失的计为失联。|"
    f"Workers with a heartbeat in the last {MISSING_S} s; those that fell silent in the last 15 minutes are missing.]]",
    f"""SELECT countIf(age <= {MISSING_S}) AS running, countIf(age > {MISSING_S}) AS missing
FROM {_WORKERS}
WHERE NOT gone""",
    unit="count",
    columns=(
        Column("running", "[[运行|Running]]", "count", thresholds=((None, RED), (1, GREEN))),
        Column("missing", "[[失联|Missing]]", "count", thresholds=((None, GREEN), (1, RED))),
    ),
)

LAG = Signal(
    "pipeline_lag",
    "[[积压消息|Messages behind]]",
    "[[尚未读取的消息，各进程最新心跳之和；持续增长时增加进程。|"
    "Messages not read yet, newest heartbeats added; if it keeps growing, add workers.]]",
    f"""SELECT sum(lag) AS lag FROM
(SELECT argMax(lag, at) AS lag FROM worker_status WHERE at > now64(3) - INTERVAL {MISSING_S} SECOND GROUP BY worker)""",
    unit="count",
    thresholds=((None, GREEN), (10_000, AMBER), (100_000, RED)),
    columns=(Column("lag", "[[积压|Behind]]", "count"),),
)

CHECKPOINT_AGE = Signal(
    "pipeline_checkpoint_age",
    "[[最久的检查轮次|Oldest round of checkpoints]]",
    "[[距上一轮检查点的秒数，取最久的进程；超过 60 秒查看 ClickHouse、Redis、Kafka。|"
    "Seconds since the last round of checkpoints of the worst worker; above 60 look at ClickHouse, Redis and Kafka.]]",
    """SELECT max(age) AS age FROM
(SELECT argMax(seconds_since_round, at) AS age FROM worker_status
    WHERE at > now64(3) - INTERVAL 15 MINUTE GROUP BY worker HAVING NOT argMax(stopped, at))""",
    unit="seconds",
    thresholds=((None, GREEN), (10, AMBER), (60, RED)),
    columns=(Column("age", "[[距今|Age]]", "seconds"),),
)

OPEN_LETTERS = Signal(
    "pipeline_open_letters",
    "[[未处理的死信|Open dead letters]]",
    "[[无法使用、尚未重放的输入。用 pulse dead-letters list 查看。|"
    "Inputs that could not be used and were not replayed. See `pulse dead-letters list`.]]",
    "SELECT count() AS letters FROM dead_letters_open",
    unit="count",
    thresholds=((None, GREEN), (1, AMBER), (1000, RED)),
    columns=(Column("letters", "[[死信|Dead letters]]", "count"),),
)

QUARANTINED = Signal(
    "pipeline_quarantined",
    "[[已隔离（统方）|Quarantined (R06)]]",
    "[[时段内因涉及统方而加密隔离的事件及其来源种类数；内容不在数据库中。由合规部门查看。|"
    "Events of the range that counted prescriptions and were sealed, and of how many kinds; their content is in no "
    "table. See `pulse quarantine list`.]]",
    """SELECT count() AS events, uniqExact(event_kind) AS kinds
FROM alert_log
WHERE $__timeFilter(raised_at) AND rule_version = 0
    AND JSONExtractString(explanation, 'parts', 1, 'text') = 'quarantine'""",
    unit="count",
    thresholds=((None, GREEN), (1, AMBER)),
    columns=(Column("events", "[[事件|Events]]", "count"), Column("kinds", "[[种类|Kinds]]", "count")),
)

FRESHNESS = Signal(
    "pipeline_freshness",
    "[[最新数字的年龄|Age of the newest figure]]",
    "[[距最近一次写入 KPI 数字的秒数。没有事件时自然增长。|"
    "Seconds since a KPI figure was written last. Grows by itself while no event comes.]]",
    "SELECT dateDiff('second', max(updated_at), now64(3)) AS age FROM kpi_cells HAVING count() > 0",
    unit="seconds",
    columns=(Column("age", "[[距今|Age]]", "seconds"),),
)

LAG_TREND = Signal(
    "pipeline_lag_trend",
    "[[积压走势|Messages behind over time]]",
    "[[各进程尚未读取的消息。|Messages not read yet by worker.]]",
    """SELECT $__timeInterval(at) AS time, worker, max(lag) AS lag
FROM worker_status
WHERE $__timeFilter(at)
GROUP BY time, worker
ORDER BY time, worker""",
    unit="count",
    time_series=True,
    series="worker",
)

THROUGHPUT = Signal(
    "pipeline_throughput",
    "[[处理速度|Messages a second]]",
    "[[各进程每秒读取的消息；重新启动的进程从零计。|"
    "Messages read a second by worker; one that starts again counts from zero.]]",
    """SELECT $__timeInterval(at) AS time, worker, sum(taken) / $__interval_s AS speed
FROM
(
    SELECT
        at, worker,
        lagInFrame(messages, 1, messages) OVER (PARTITION BY worker ORDER BY at) AS before,
        if(messages >= before, toInt64(messages) - toInt64(before), toInt64(messages)) AS taken
    FROM worker_status
    WHERE $__timeFilter(at)
)
GROUP BY time, worker
ORDER BY time, worker""",
    unit="speed",
    time_series=True,
    series="worker",
)

ROUND_TREND = Signal(
    "pipeline_round_trend",
    "[[检查点年龄走势|Age of the checkpoint round over time]]",
    "[[每次心跳时距上一轮检查点的秒数。|Seconds since the last round of checkpoints at each heartbeat.]]",
    """SELECT $__timeInterval(at) AS time, worker, max(seconds_since_round) AS age
FROM worker_status
WHERE $__timeFilter(at)
GROUP BY time, worker
ORDER BY time, worker""",
    unit="seconds",
    time_series=True,
    series="worker",
)

LETTERS_TREND = Signal(
    "pipeline_letters_trend",
    "[[新死信|New dead letters]]",
    "[[按拒收的步骤。|By the step that refused them.]]",
    """SELECT $__timeInterval(at) AS time, step, count() AS letters
FROM dead_letters FINAL
WHERE $__timeFilter(at)
GROUP BY time, step
ORDER BY time, step""",
    unit="count",
    time_series=True,
    series="step",
    empty="[[时段内没有死信|No dead letter in the range]]",
)

LETTERS = Signal(
    "pipeline_letters",
    "[[最近的死信|Latest dead letters]]",
    "[[最近 30 条未处理的死信及原因。|The latest 30 open ones with the reason.]]",
    """SELECT at, topic, step, message, dead_letter_id
FROM dead_letters_open
ORDER BY at DESC, dead_letter_id
LIMIT 30""",
    columns=(
        Column("at", "[[时间|When]]", "time", width=108),
        Column("topic", "[[主题|Topic]]", width=90),
        Column("step", "[[步骤|Step]]", width=80),
        Column("message", "[[原因|Reason]]"),
        Column("dead_letter_id", "ID", width=150),
    ),
    empty="[[没有未处理的死信|No open dead letter]]",
)

WORKER_TABLE = Signal(
    "pipeline_worker_table",
    "[[各工作进程|Worker by worker]]",
    "[[15 分钟内有心跳的进程的最新状态。|Newest heartbeat of each worker of the last 15 minutes.]]",
    """SELECT
    worker, argMax(shards, at) AS shards, argMax(lag, at) AS lag, argMax(held, at) AS held,
    argMax(waiting_rows, at) AS waiting, argMax(seconds_since_round, at) AS round, max(at) AS last
FROM worker_status
WHERE at > now64(3) - INTERVAL 15 MINUTE
GROUP BY worker
ORDER BY worker""",
    columns=(
        Column("worker", "[[进程|Worker]]"),
        Column("shards", "[[分片|Shards]]", "count", width=70),
        Column("lag", "[[积压|Behind]]", "count", width=90),
        Column("held", "[[等待主数据|Held]]", "count", width=100),
        Column("waiting", "[[未写入行|Unwritten rows]]", "count", width=110),
        Column("round", "[[距检查点|Since round]]", "seconds", width=100),
        Column("last", "[[心跳|Heartbeat]]", "time", width=108),
    ),
    empty="[[没有心跳|No heartbeat]]",
)

STORAGE = Signal(
    "pipeline_storage",
    "[[ClickHouse 各表|ClickHouse tables]]",
    "[[行数（含未合并的旧版本）与磁盘占用。|Rows, versions not yet merged included, and bytes on disk.]]",
    """SELECT name, total_rows AS rows, total_bytes AS bytes
FROM system.tables
WHERE database = currentDatabase() AND total_rows > 0
ORDER BY bytes DESC
LIMIT 20""",
    columns=(
        Column("name", "[[表|Table]]"),
        Column("rows", "[[行|Rows]]", "count", width=100),
        Column("bytes", "[[大小|Size]]", "bytes", width=96),
    ),
)

QUERIES = Signal(
    "pipeline_queries",
    "[[正在运行的查询|Queries running now]]",
    "[[读者账号可见的查询，最久的在前。|Queries that the reader may see, the longest first.]]",
    """SELECT
    round(elapsed, 1) AS seconds, read_rows, memory_usage AS memory,
    substring(replaceRegexpAll(query, '\\\\s+', ' '), 1, 160) AS query
FROM system.processes
ORDER BY elapsed DESC
LIMIT 10""",
    columns=(
        Column("seconds", "[[耗时|Time]]", "seconds", width=80),
        Column("read_rows", "[[已读行|Rows read]]", "count", width=96),
        Column("memory", "[[内存|Memory]]", "bytes", width=90),
        Column("query", "[[语句|Statement]]"),
    ),
)
