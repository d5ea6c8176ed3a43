"""Discharge lists in the national front-page format (附件 4-1), of any length, the same for the same seed."""

from __future__ import annotations

import csv
import io
import random
from datetime import date, timedelta

HEADER = (
    "USERNAME,YLFKFS,JKKH,ZYCS,BAH,XM,XB,CSRQ,NL,GJ,BZYZSNL,XSECSTZ,XSERYTZ,CSD,GG,MZ,SFZH,ZY,HY,XZZ,DH,YB1,"
    "HKDZ,YB2,GZDWJDZ,DWDH,YB3,LXRXM,GX,DZ,DH2,RYTJ,RYSJ,RYSJS,RYKB,RYBF,ZKKB,CYSJ,CYSJS,CYKB,CYBF,SJZYTS,"
    "MZZD,JBBM,ZYZD,JBDM,KZR,ZRYS,ZZYS,ZYYS,ZRHS,LYFS,YZZY_YLJG,ZFY"
).split(",")
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华建国文玉兰春梅海燕红志鹏"
WARDS = "妇科 神经内科 心血管内科 泌尿外科 骨科 呼吸与危重症医学科 消化内科 普通外科 儿科 肾内科".split()
DIAGNOSES = (
    ("高血压病", "I10.x00"),
    ("肺炎", "J18.900"),
    ("肾结石", "N20.000"),
    ("慢性阻塞性肺病急性加重", "J44.100"),
    ("子宫平滑肌瘤", "D25.900"),
    ("2型糖尿病", "E11.900"),
)
LEAVING = ("1", "1", "1", "1", "2", "4", "9")
FIRST_DAY = date(2026, 8, 1)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def discharge_list(rows: int, *, seed: int) -> bytes:
    """A GB18030 file of this many discharges of 45 days; one in eight is a further stay of a patient seen
    above, and one in a hundred died.
    """
    draw = random.Random(seed)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, HEADER, restval="", lineterminator="\r\n")
    writer.writeheader()
    people: list[dict[str, str]] = []
    for number in range(1, rows + 1):
        if people and draw.random() < 1 / 8:
            person = draw.choice(people)
            person["ZYCS"] = str(int(person["ZYCS"]) + 1)
        else:
            person = _person(draw, number)
            people.append(person)
        writer.writerow(person | _stay(draw))
    return out.getvalue().encode("gb18030")


def _person(draw: random.Random, number: int) -> dict[str, str]:
    born = date(1930, 1, 1) + timedelta(days=draw.randrange(88 * 365))
    male = draw.random() < 0.5
    return {
        "USERNAME": "河清市第一人民医院",
        "YLFKFS": "1",
        "ZYCS": "1",
        "BAH": f"{number:08d}",
        "XM": _name(draw),
        "XB": "1" if male else "2",
        "CSRQ": f"{born:%Y%m%d}",
        "NL": str(2026 - born.year),
        "GJ": "CHN",
        "MZ": "1",
        "SFZH": _id_number(draw, born, male),
        "XZZ": "河清市健康路12号",
        "DH": _phone(draw),
        "LXRXM": _name(draw),
        "GX": draw.choice("12357"),
        "DH2": _phone(draw),
    }


def _stay(draw: random.Random) -> dict[str, str]:
    left = FIRST_DAY + timedelta(days=draw.randrange(45))
    days = draw.randrange(2, 20)
    ward = draw.choice(WARDS)
    diagnosis, code = draw.choice(DIAGNOSES)
    return {
        "RYTJ": "2",
        "RYSJ": f"{left - timedelta(days=days):%Y%m%d}",
        "RYKB": ward,
        "CYSJ": f"{left:%Y%m%d}",
        "CYKB": ward,
        "CYBF": f"{draw.randrange(1, 20)}病区",
        "SJZYTS": str(days),
        "MZZD": diagnosis,
        "JBBM": code,
        "ZYZD": diagnosis,
        "JBDM": code,
        "ZZYS": _name(draw),
        "LYFS": "5" if draw.random() < 0.01 else draw.choice(LEAVING),
        "ZFY": f"{draw.randrange(100_000, 6_000_000) / 100:.2f}",
    }


def _name(draw: random.Random) -> str:
    return draw.choice(FAMILY) + "".join(draw.choices(GIVEN, k=draw.choice((1, 2, 2))))


def _phone(draw: random.Random) -> str:
    return draw.choice(("138", "139", "150", "159", "186", "188")) + f"{draw.randrange(10**8):08d}"


def _id_number(draw: random.Random, born: date, male: bool) -> str:
    order = draw.randrange(500) * 2 + male
    digits = f"130102{born:%Y%m%d}{order:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]
