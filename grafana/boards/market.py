"""Product lines and their market."""

from grafana.boards.board import Board, Place, Row
from grafana.signals import market
from grafana.variables import LINE, PRODUCT

MARKET = Board(
    "pulse-market",
    "[[产品线与市场|Product lines and market]]",
    "[[产品线的进度、份额、竞品价格、招标与新药。|"
    "Progress of product lines, share, competitors' prices, tenders and new drugs.]]",
    (LINE, PRODUCT),
    (
        Row(7, (Place("table", market.LINE_PROGRESS, 12), Place("table", market.LINE_LIGHTS, 12))),
        Row(8, (Place("lines", market.SHARE_TREND, 14), Place("table", market.SHARE_TABLE, 10))),
        Row(8, (Place("lines", market.PRICES, 12), Place("lines", market.VOLUME, 12))),
        Row(
            8,
            (
                Place("table", market.TENDERS, 10),
                Place("bargauge", market.NEW_DRUGS, 6),
                Place("lines", market.NEW_DRUG_TREND, 8),
            ),
        ),
    ),
    refresh="30s",
)
