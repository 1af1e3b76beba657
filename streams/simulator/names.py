"""Names of people, places and hospitals, in Chinese and in English."""

import random
from typing import NamedTuple

from streams.simulator.chance import pick

#: A sign and how it is read.
_SURNAMES_TEXT = """
    王Wang 李Li 张Zhang 刘Liu 陈Chen 杨Yang 黄Huang 赵Zhao 吴Wu 周Zhou
    徐Xu 孙Sun 马Ma 朱Zhu 胡Hu 郭Guo 何He 林Lin 高Gao 罗Luo
    郑Zheng 梁Liang 谢Xie 宋Song 唐Tang 许Xu 韩Han 邓Deng 冯Feng 曹Cao
    彭Peng 曾Zeng 肖Xiao 田Tian 董Dong 潘Pan 袁Yuan 蔡Cai 蒋Jiang 余Yu
"""
_GIVEN_TEXT = """
    伟Wei 芳Fang 娜Na 敏Min 静Jing 丽Li 强Qiang 磊Lei 军Jun 洋Yang
    勇Yong 艳Yan 杰Jie 涛Tao 明Ming 超Chao 霞Xia 平Ping 刚Gang 慧Hui
    颖Ying 琳Lin 宇Yu 博Bo 晨Chen 浩Hao 欣Xin 雪Xue 婷Ting 凯Kai
    佳Jia 文Wen 志Zhi 思Si 海Hai 云Yun 建Jian 国Guo 晓Xiao 春Chun
"""
_SURNAMES: tuple[tuple[str, str], ...] = tuple((word[0], word[1:]) for word in _SURNAMES_TEXT.split())
_GIVEN: tuple[tuple[str, str], ...] = tuple((word[0], word[1:].lower()) for word in _GIVEN_TEXT.split())
_TWO_SYLLABLES = 0.7


class Person(NamedTuple):
    """A name in both scripts."""

    name: str
    name_en: str


class City(NamedTuple):
    """A city with its position, degrees WGS 84."""

    name: str
    name_en: str
    province: str
    latitude: float
    longitude: float


class Area(NamedTuple):
    """A sales region and its cities."""

    node_id: str
    name: str
    name_en: str
    cities: tuple[City, ...]


AREAS: tuple[Area, ...] = (
    Area(
        "REG-E",
        "华东大区",
        "East China",
        (
            City("上海", "Shanghai", "上海市", 31.23, 121.47),
            City("南京", "Nanjing", "江苏省", 32.06, 118.79),
            City("杭州", "Hangzhou", "浙江省", 30.27, 120.16),
            City("苏州", "Suzhou", "江苏省", 31.30, 120.62),
            City("合肥", "Hefei", "安徽省", 31.82, 117.23),
        ),
    ),
    Area(
        "REG-N",
        "华北大区",
        "North China",
        (
            City("北京", "Beijing", "北京市", 39.90, 116.40),
            City("天津", "Tianjin", "天津市", 39.13, 117.20),
            City("石家庄", "Shijiazhuang", "河北省", 38.04, 114.51),
            City("济南", "Jinan", "山东省", 36.65, 117.12),
            City("沈阳", "Shenyang", "辽宁省", 41.80, 123.43),
        ),
    ),
    Area(
        "REG-S",
        "华南大区",
        "South China",
        (
            City("广州", "Guangzhou", "广东省", 23.13, 113.26),
            City("深圳", "Shenzhen", "广东省", 22.55, 114.06),
            City("长沙", "Changsha", "湖南省", 28.23, 112.94),
            City("福州", "Fuzhou", "福建省", 26.07, 119.30),
            City("武汉", "Wuhan", "湖北省", 30.59, 114.31),
        ),
    ),
    Area(
        "REG-W",
        "西部大区",
        "West China",
        (
            City("成都", "Chengdu", "四川省", 30.57, 104.07),
            City("重庆", "Chongqing", "重庆市", 29.56, 106.55),
            City("西安", "Xi'an", "陕西省", 34.34, 108.94),
            City("昆明", "Kunming", "云南省", 25.04, 102.71),
            City("兰州", "Lanzhou", "甘肃省", 36.06, 103.83),
        ),
    ),
)
#: Name, English name, channel, sub-channel, relative size.
HOSPITALS: tuple[tuple[str, str, str, str, float], ...] = (
    ("第{n}人民医院", "People's Hospital No. {n}", "医院", "三级", 2.2),
    ("中心医院{n}院区", "Central Hospital, Campus {n}", "医院", "三级", 2.0),
    ("第{n}中医院", "Hospital of Chinese Medicine No. {n}", "医院", "二级", 1.2),
    ("第{n}区医院", "District Hospital No. {n}", "医院", "二级", 1.0),
    ("第{n}社区卫生服务中心", "Community Health Centre No. {n}", "基层医疗", "社区", 0.6),
    ("仁和大药房{n}店", "Renhe Pharmacy No. {n}", "药店", "连锁", 0.5),
)


def person(rng: random.Random) -> Person:
    """A person; names repeat as they do in life."""
    surname, latin = pick(rng, _SURNAMES)
    given = [pick(rng, _GIVEN)]
    if rng.random() < _TWO_SYLLABLES:
        given.append(pick(rng, _GIVEN))
    return Person(surname + "".join(sign for sign, _ in given), f"{''.join(x for _, x in given).capitalize()} {latin}")
