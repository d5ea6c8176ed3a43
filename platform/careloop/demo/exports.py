"""The exports of the demo's hospitals that have no sample file: invented discharges and visits of one month.

They are files like any other and go through the same import.
"""

from __future__ import annotations

import csv
import io
import random
from calendar import monthrange
from datetime import date, timedelta

from careloop.demo.cast import DemoHospital
from patients.identity import check_digit

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
)
GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰建国红梅玉珍晨雨桐思源嘉怡子涵文博海燕志远春华云飞雪松"
)
RELATIONS = ("配偶", "子", "女", "父母", "兄弟姐妹")
INPATIENT_HEADER = (
    "病案号,住院次数,姓名,性别,出生日期,身份证号,联系电话,联系人姓名,与患者关系,联系人电话,入院日期,出院日期,"
    "出院科室,主治医师,主要诊断,离院方式"
).split(",")
OUTPATIENT_HEADER = "门诊号,姓名,性别,年龄,手机号,就诊日期,就诊科室,接诊医生".split(",")
WARDS: dict[str, tuple[tuple[str, str, int, int], ...]] = {
    # department, diagnosis, youngest and oldest age
    "general": (
        ("心血管内科", "冠状动脉粥样硬化性心脏病", 45, 88),
        ("神经内科", "脑梗死", 50, 88),
        ("普外科", "胆囊结石", 25, 80),
        ("骨科", "股骨颈骨折", 40, 90),
        ("泌尿外科", "肾结石", 25, 70),
        ("呼吸与危重症医学科", "肺炎", 20, 85),
    ),
    "maternal": (("产科", "顺产", 21, 42), ("妇科", "子宫平滑肌瘤", 28, 60), ("儿科", "急性支气管炎", 1, 12)),
    "tcm": (("骨伤科", "腰椎间盘突出", 30, 75), ("脑病科", "眩晕", 45, 85), ("脾胃病科", "慢性胃炎", 25, 75)),
    "specialist": (("骨科", "膝关节骨关节病", 45, 82), ("康复科", "脑梗死后遗症", 50, 85)),
    "checkup": (("体检中心", "健康体检", 22, 70),),
}
CHILDREN = (("儿内科", "肺炎", 1, 13), ("儿外科", "急性阑尾炎", 4, 15))
FEMALE_ONLY = {"产科", "妇科"}


def discharges(hospital: DemoHospital, month: date, seed: str) -> tuple[str, bytes]:
    """File name and content (GB18030) of one month's discharges."""
    dice = random.Random(f"{seed}/{hospital.code}/{month:%Y%m}/in")  # noqa: S311  (a story, not a secret)
    wards = CHILDREN if "儿童" in hospital.name else WARDS[hospital.hospital_type]
    rows = [_discharge(hospital, month, number, wards, dice) for number in range(1, hospital.discharges + 1)]
    return f"{hospital.code}_discharges_{month:%Y%m}.csv", _file(INPATIENT_HEADER, rows, "gb18030")


def outpatients(hospital: DemoHospital, month: date, seed: str) -> tuple[str, bytes]:
    """File name and content (UTF-8 with a mark) of one month's outpatient visits."""
    dice = random.Random(f"{seed}/{hospital.code}/{month:%Y%m}/out")  # noqa: S311
    rows = []
    for number in range(1, hospital.outpatients + 1):
        department, _, youngest, oldest = dice.choice(WARDS[hospital.hospital_type])
        sex = "女" if department in FEMALE_ONLY else dice.choice("男女")
        rows.append(
            [
                f"M{month:%y%m}{number:06d}", _name(dice), sex, dice.randint(max(youngest, 16), oldest),
                _phone(dice), _day(month, dice).strftime("%Y/%m/%d"), department + "门诊", _name(dice),
            ]
        )  # fmt: skip
    return f"{hospital.code}_outpatients_{month:%Y%m}.csv", _file(OUTPATIENT_HEADER, rows, "utf-8-sig")


def _discharge(
    hospital: DemoHospital,
    month: date,
    number: int,
    wards: tuple[tuple[str, str, int, int], ...],
    dice: random.Random,
) -> list[object]:
    department, diagnosis, youngest, oldest = dice.choice(wards)
    sex = "女" if department in FEMALE_ONLY else dice.choice("男女")
    left = _day(month, dice)
    born = left - timedelta(days=dice.randint(youngest * 365 + 60, oldest * 365 + 60))
    ways = ("医嘱离院", "非医嘱离院", "医嘱转院", "死亡")
    way = dice.choices(ways, weights=(93, 4, 2, 1))[0]
    return [
        f"{month:%y%m}{number:05d}", 1, _name(dice), sex, born.strftime("%Y%m%d"),
        _id_number(hospital.region, born, sex, dice), _phone(dice) if dice.random() > 0.02 else "",
        _name(dice),
        "父母" if youngest < 14 else dice.choice(RELATIONS), _phone(dice),
        (left - timedelta(days=dice.randint(2, 14))).strftime("%Y%m%d"), left.strftime("%Y%m%d"),
        department, _name(dice), diagnosis, way,
    ]  # fmt: skip


def _day(month: date, dice: random.Random) -> date:
    return month.replace(day=dice.randint(1, monthrange(month.year, month.month)[1]))


def _name(dice: random.Random) -> str:
    return dice.choice(SURNAMES) + "".join(dice.choices(GIVEN, k=dice.choice((1, 2, 2))))


def _phone(dice: random.Random) -> str:
    """Numbers of the range 140, which is for devices: nobody's telephone."""
    return f"140{dice.randint(0, 99_999_999):08d}"


def _id_number(region: str, born: date, sex: str, dice: random.Random) -> str:
    order = dice.randint(0, 499) * 2 + (1 if sex == "男" else 0)
    body = f"{region}{born:%Y%m%d}{order:03d}"
    return body + check_digit(body)


def _file(header: list[str], rows: list[list[object]], encoding: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)
