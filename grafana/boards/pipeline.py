"""The health of the engine, for operators."""

from grafana.boards.board import Board, Place, Row
from grafana.signals import pipeline

PIPELINE = Board(
    "pulse-pipeline",
    "[[运行状况|Pipeline health]]",
    "[[积压、检查点、死信与存储。|Lag, checkpoints, dead letters and storage.]]",
    (),
    (
        Row(
            4,
            (
                Place("stat", pipeline.WORKERS, 5),
                Place("stat", pipeline.LAG, 4),
                Place("stat", pipeline.CHECKPOINT_AGE, 4),
                Place("stat", pipeline.OPEN_LETTERS, 4),
                Place("stat", pipeline.QUARANTINED, 4),
                Place("stat", pipeline.FRESHNESS, 3),
            ),
        ),
        Row(
            8,
            (
                Place("lines", pipeline.LAG_TREND, 8),
                Place("lines", pipeline.THROUGHPUT, 8),
                Place("lines", pipeline.ROUND_TREND, 8),
            ),
        ),
        Row(6, (Place("table", pipeline.WORKER_TABLE, 14), Place("bars", pipeline.LETTERS_TREND, 10))),
        Row(9, (Place("table", pipeline.LETTERS, 14), Place("table", pipeline.STORAGE, 10))),
        Row(6, (Place("table", pipeline.QUERIES, 24),)),
    ),
    start="now-1h",
    end="now",
    refresh="5s",
)
