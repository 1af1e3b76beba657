"""The boards of compliance: all alerts, and one case."""

from grafana.boards.board import Board, Place, Row
from grafana.signals import cases, compliance, conduct
from grafana.variables import ANY_NODE, CASE

COMPLIANCE = Board(
    "pulse-compliance",
    "[[合规|Compliance]]",
    "[[预警、案件与规则：哪里违规，处理得如何。|Alerts, cases and rules: where it breaks, and how it is dealt with.]]",
    (ANY_NODE,),
    (
        Row(
            4,
            (
                Place("stat", compliance.ALERTS, 7),
                Place("stat", compliance.OPEN, 7),
                Place("stat", compliance.UNSEEN, 6),
                Place("stat", conduct.SUMMARY, 4),
            ),
        ),
        Row(11, (Place("table", compliance.MATRIX, 15), Place("bars", compliance.TREND, 9))),
        Row(9, (Place("table", compliance.LATEST, 24),)),
        Row(11, (Place("map", conduct.FENCE_MAP, 11), Place("table", conduct.GRADES, 13))),
        Row(7, (Place("barchart", compliance.AGES, 10), Place("table", compliance.RESPONSE, 14))),
        Row(10, (Place("table", conduct.SCORES, 9), Place("table", conduct.PRECISION, 15))),
        Row(6, (Place("table", conduct.TRIALS, 24),)),
    ),
)

CASE_BOARD = Board(
    "pulse-case",
    "[[案件|Case]]",
    "[[一条预警：说明、依据、证据、推理与处理经过。|One alert: sentence, basis, evidence, reasons and what was done.]]",
    (CASE,),
    (
        Row(
            4,
            (
                Place("light", cases.LEVEL_OF_CASE, 7),
                Place("light", cases.STATE_OF_CASE, 8),
                Place("stat", cases.TIMES_OF_CASE, 9),
            ),
        ),
        Row(12, (Place("table", cases.SENTENCE, 12), Place("table", cases.EVIDENCE, 12))),
        Row(11, (Place("table", cases.EXPLANATION, 14), Place("table", cases.BASIS, 10))),
        Row(7, (Place("table", cases.TIMELINE, 24),)),
        Row(8, (Place("table", cases.OTHERS, 24),)),
    ),
)
