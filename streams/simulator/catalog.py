"""What the made-up company sells: three lines, six products, their labels, materials and competitors."""

from datetime import date
from typing import NamedTuple

#: Share of the year's sales by month, 12 numbers around 1.
Season = tuple[float, ...]
_FLAT: Season = (1.02, 0.9, 1.02, 1.0, 0.99, 0.99, 0.99, 0.98, 1.02, 0.98, 1.04, 1.07)
_WINTER: Season = (1.25, 1.08, 1.05, 0.96, 0.88, 0.82, 0.8, 0.82, 0.92, 1.05, 1.16, 1.21)


class Line(NamedTuple):
    """A product line and the departments that prescribe it."""

    line_id: str
    name: str
    name_en: str
    season: Season
    departments: tuple[tuple[str, str], ...]
    """Department and specialty."""
    talks: tuple[str, ...]
    """Subjects of its scientific meetings."""


class Item(NamedTuple):
    """A product with its price in cents and the usual order."""

    product_id: str
    name: str
    name_en: str
    line: int
    price_cents: int
    order: tuple[int, int]
    """Least and greatest usual quantity of one sales line at an institution of middle size."""
    weight: float
    """Share of the line's orders."""
    market_share: float
    competitors: tuple[tuple[str, int], ...]
    """Name and price in cents."""
    indications: tuple[str, ...]
    is_new_drug: bool = False


LINES: tuple[Line, ...] = (
    Line(
        "L-CV",
        "心血管线",
        "Cardiovascular",
        _FLAT,
        (("心血管内科", "心血管病学"), ("老年医学科", "老年医学"), ("全科医学科", "全科医学")),
        (
            "高血压长期管理",
            "血脂达标策略",
            "动脉粥样硬化防治",
            "老年高血压个体化治疗",
            "心血管风险分层",
            "慢病随访规范",
        ),
    ),
    Line(
        "L-MET",
        "内分泌线",
        "Metabolism",
        _FLAT,
        (("内分泌科", "内分泌学"), ("肾内科", "肾脏病学"), ("全科医学科", "全科医学")),
        ("2型糖尿病起始治疗", "血糖波动管理", "糖尿病肾病早期筛查", "基层糖尿病规范", "肥胖与代谢", "低血糖预防"),
    ),
    Line(
        "L-RESP",
        "呼吸线",
        "Respiratory",
        _WINTER,
        (("呼吸与危重症医学科", "呼吸病学"), ("儿科", "儿科学"), ("变态反应科", "变态反应学")),
        ("哮喘阶梯治疗", "慢阻肺稳定期管理", "吸入技术培训", "慢性咳嗽鉴别", "儿童哮喘控制", "肺功能判读"),
    ),
)
#: Day from which all labels but the new drug's are valid.
LABELS_FROM = date(2018, 1, 1)
ITEMS: tuple[Item, ...] = (
    Item(
        "P-AN10",
        "安脉平片",
        "Anmaiping tablets",
        0,
        3_280,
        (20, 80),
        0.58,
        0.14,
        (("康压宁", 2_950), ("诺脉片", 3_400)),
        ("原发性高血压", "慢性稳定性心绞痛"),
    ),
    Item(
        "P-ZH20",
        "脂恒胶囊",
        "Zhiheng capsules",
        0,
        4_650,
        (15, 60),
        0.42,
        0.11,
        (("立脂清", 4_200), ("脂必达", 4_900)),
        ("原发性高胆固醇血症", "混合型血脂异常"),
    ),
    Item(
        "P-TH05",
        "糖和片",
        "Tanghe tablets",
        1,
        5_920,
        (12, 50),
        0.62,
        0.09,
        (("唐稳", 5_600), ("糖维宁", 6_150)),
        ("2型糖尿病",),
    ),
    Item(
        "P-XN01",
        "新诺泰注射液",
        "Xinnuotai injection",
        1,
        38_600,
        (2, 9),
        0.38,
        0.03,
        (("泰达肽", 41_200), ("欣立肽", 39_500)),
        ("2型糖尿病",),
        is_new_drug=True,
    ),
    Item(
        "P-QS15",
        "清舒吸入剂",
        "Qingshu inhaler",
        2,
        12_800,
        (6, 26),
        0.55,
        0.12,
        (("畅息", 12_100), ("舒立平", 13_600)),
        ("支气管哮喘", "慢性阻塞性肺疾病"),
    ),
    Item(
        "P-KM30",
        "咳敏宁颗粒",
        "Keminning granules",
        2,
        2_460,
        (25, 100),
        0.45,
        0.08,
        (("止咳安", 2_200), ("敏舒颗粒", 2_580)),
        ("过敏性鼻炎", "慢性荨麻疹"),
    ),
)
#: Kinds of material each product has, one version a year.
MATERIALS: tuple[tuple[str, str], ...] = (("DA", "产品单页"), ("CS", "临床研究摘要"))
COURSES: tuple[str, ...] = ("合规推广要求", "产品知识", "疾病知识", "学术拜访技巧")


def of_line(line: int) -> tuple[int, ...]:
    """Numbers of the products in a line."""
    return tuple(number for number, item in enumerate(ITEMS) if item.line == line)
