"""The board of a representative, and what happens in the field right now."""

from grafana.boards.board import Board, Place, Row
from grafana.boards.progress import headline
from grafana.signals import compliance, conduct, field, progress
from grafana.signals.kpis import kpis
from grafana.variables import REP as REP_VARIABLE

REP = Board(
    "pulse-rep",
    "[[代表|Rep]]",
    "[[自己的进度、拜访计划、缺口与下一步。|Own progress, call plan, what is missing and the next step.]]",
    (REP_VARIABLE,),
    (
        headline(progress.REP, Place("stat", field.NEEDED, 4)),
        Row(9, (Place("lines", progress.trend(progress.REP), 12), Place("table", field.NEXT_STEPS, 12))),
        Row(9, (Place("table", field.SLIPS, 12), Place("stat", field.PLAN, 4), Place("barchart", field.BY_SEGMENT, 8))),
        Row(10, (Place("table", kpis(progress.REP), 12), Place("bars", field.REP_VISITS, 12))),
        Row(8, (Place("bars", progress.daily(progress.REP), 14), Place("pie", progress.by_product(progress.REP), 10))),
        Row(8, (Place("table", compliance.OF_REP, 19), Place("stat", conduct.SCORE_OF_REP, 5))),
    ),
)

LIVE = Board(
    "pulse-live",
    "[[实时活动|Live activity]]",
    "[[此刻的拜访、销售与回款。|Visits, sales and payments as they happen.]]",
    (),
    (
        Row(
            4,
            (
                Place("stat", field.EVENT_COUNTS, 9),
                Place("stat", field.ACTIVE, 7),
                Place("stat", field.SALES_NOW, 8),
            ),
        ),
        Row(8, (Place("bars", field.EVENT_RATE, 16), Place("pie", field.CHANNELS, 8))),
        Row(14, (Place("map", field.VISIT_MAP, 12), Place("table", field.LATEST, 12))),
    ),
    start="now-24h",
    end="now",
    refresh="5s",
)
