"""Who stands where: regions by line, teams, members, products, and the latest changes of lights."""

from grafana.looks import BLUE
from grafana.signals.progress import CAUSE, CAUSE_WORD, KPI, MONEY, NODE, PACE, STATE, share_text
from grafana.signals.signal import Column, Signal

LINKS_TO_OWNER = (
    Column("owner_id", hidden=True),
    Column("board", hidden=True),
    Column("variable", hidden=True),
)
TO_OWNER = (
    "owner_id, if(owner_level = 'rep', 'pulse-rep', 'pulse-team') AS board, "
    "if(owner_level = 'rep', 'rep', 'node') AS variable"
)

MATRIX = Signal(
    "region_line_lights",
    "[[大区 × 产品线|Region × product line]]",
    "[[数字是整季目标的达成率，颜色是灯。点大区看团队。|"
    "The number is the attainment of the whole quarter, the colour is the light. Click a region for its teams.]]",
    f"""SELECT
    owner_id, 'pulse-team' AS board, 'node' AS variable, name,
    toJSONString(CAST(arrayMap(one -> (one.2, one.3), arraySort(groupArray((product_key, product, cell)))),
        'Map(String, String)')) AS lines
FROM
(
    SELECT
        owner_id, owner_name[[|_en]] AS name, product_key,
        if(product_level = 'all', '[[合计|Total]]', product_name[[|_en]]) AS product,
        {share_text("attainment", "state")} AS cell
    FROM lights_now
    WHERE {KPI} AND owner_level = 'region' AND product_level IN ('all', 'line') AND {NODE.below}
)
GROUP BY owner_id, name
ORDER BY owner_id""",
    unit="text",
    states=True,
    expand="lines",
    columns=(Column("name", "[[大区|Region]]", link="owner", width=110), *LINKS_TO_OWNER),
)

BURNING = Signal(
    "burning",
    "[[哪里着火：离应达最远的|Where it burns: furthest from what is due]]",
    "[[团队 × 产品的红灯与黄灯，按离应达的差额排序。点行看团队。|"
    "Red and amber lights of teams and products by the gap to what is due. Click a row for the team.]]",
    f"""SELECT
    state, {CAUSE_WORD} AS cause, {TO_OWNER}, owner_name[[|_en]] AS owner, product_name[[|_en]] AS product,
    (ifNull(value, 0) - expected){MONEY} AS gap, pace, since
FROM lights_now
WHERE {KPI} AND owner_level = 'team' AND product_level = 'product' AND state IN ('red', 'amber') AND {NODE.below}
ORDER BY gap
LIMIT 12""",
    columns=(
        STATE,
        CAUSE,
        Column("owner", "[[团队|Team]]", link="owner"),
        Column("product", "[[产品|Product]]"),
        Column("gap", "[[差额|Gap]]", "money", width=110),
        Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
        Column("since", "[[自|Since]]", "time", width=108),
        *LINKS_TO_OWNER,
    ),
    empty="[[没有红灯或黄灯，或没有目标|No red or amber light, or no target]]",
)

TEAM_PACE = Signal(
    "team_pace",
    "[[团队节奏（最落后的在前）|Pace of teams, furthest behind first]]",
    "[[实际 ÷ 到今天应达；低于 80% 为红，达到 100% 为绿。|"
    "Actual ÷ due by today; red below 80 %, green from 100 % on.]]",
    f"""SELECT owner_name[[|_en]] AS name, pace
FROM lights_now
WHERE {KPI} AND owner_level = 'team' AND product_level = 'all' AND {NODE.below}
ORDER BY pace""",
    unit="percent",
    thresholds=PACE,
    columns=(Column("pace", "[[节奏|Pace]]", "percent", largest=1.3),),
)

_MEMBERS = f"""SELECT
    state, {CAUSE_WORD} AS cause, {TO_OWNER}, owner_name[[|_en]] AS owner, attainment, pace,
    (ifNull(value, 0) - expected){MONEY} AS gap, forecast / nullIf(target, 0) AS outlook, since
FROM lights_now
WHERE {KPI} AND product_level = 'all' AND %s
ORDER BY pace
LIMIT 60"""

_MEMBER_COLUMNS = (
    STATE,
    CAUSE,
    Column("owner", "[[名称|Name]]", link="owner"),
    Column(
        "attainment",
        "[[达成率|Attainment]]",
        "percent",
        width=150,
        cell="gauge",
        largest=1.2,
        thresholds=((None, BLUE),),
    ),
    Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
    Column("gap", "[[差额|Gap]]", "money", width=104),
    Column("outlook", "[[预测|Forecast]]", "percent", width=84),
    Column("since", "[[自|Since]]", "time", width=108),
    *LINKS_TO_OWNER,
)

RANKING = Signal(
    "rep_ranking",
    "[[代表排行（最落后的在前）|Ranking of reps, furthest behind first]]",
    "[[按节奏排序；点行看代表。|By pace; click a row for the rep.]]",
    _MEMBERS % f"owner_level = 'rep' AND {NODE.below}",
    columns=_MEMBER_COLUMNS,
)

MEMBERS = Signal(
    "members",
    "[[下级成员|Members]]",
    "[[紧接其下的团队或代表，最落后的在前；点行往下看。|"
    "The teams or reps right below, furthest behind first; click a row to go down.]]",
    _MEMBERS % "parent_id = ${node:sqlstring}",
    columns=_MEMBER_COLUMNS,
)

PRODUCT_LIGHTS = Signal(
    "product_lights",
    "[[产品与产品线的灯|Lights of products and lines]]",
    "[[该节点各产品线与产品的灯，最落后的在前。|"
    "Lights of the node by product line and product, furthest behind first.]]",
    f"""SELECT
    state, if(product_level = 'line', '[[产品线|Line]]', '[[产品|Product]]') AS level, product_name[[|_en]] AS product,
    attainment, pace, (ifNull(value, 0) - expected){MONEY} AS gap
FROM lights_now
WHERE {KPI} AND product_level != 'all' AND {NODE.light}
ORDER BY pace""",
    columns=(
        STATE,
        Column("level", "[[层级|Level]]", width=76),
        Column("product", "[[名称|Name]]"),
        Column("attainment", "[[达成率|Attainment]]", "percent", width=88),
        Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
        Column("gap", "[[差额|Gap]]", "money", width=104),
    ),
)

CHANGES = Signal(
    "light_changes",
    "[[最近的灯变化|Latest changes of lights]]",
    "[[每次变化及之前的状态。|Every change with the state before.]]",
    f"""SELECT
    changed_at, state, previous_state, {TO_OWNER}, owner_name[[|_en]] AS owner,
    if(product_level = 'all', '[[合计|Total]]', product_name[[|_en]]) AS product
FROM light_history
WHERE {KPI} AND ${{node:sqlstring}} IN (team_id, region_id, company_id)
ORDER BY changed_at DESC, owner_level, owner_id, product_level, product_key
LIMIT 40""",
    columns=(
        Column("changed_at", "[[时间|When]]", "time", width=108),
        STATE,
        Column("previous_state", "[[之前|Before]]", cell="light", width=86),
        Column("owner", "[[名称|Name]]", link="owner"),
        Column("product", "[[产品|Product]]"),
        *LINKS_TO_OWNER,
    ),
    empty="[[本季度还没有变化|No change in this quarter]]",
)
