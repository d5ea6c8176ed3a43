"""Who is in the demo: one firm, twelve hospitals, people of every role. All invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DemoHospital:
    """One hospital of the story; `discharges` and `outpatients` are the size of a usual month.

    `quality` moves its patients' answers up or down; `files` are its sample exports of September 2026.
    """

    code: str
    name: str
    name_en: str
    hospital_type: str
    region: str
    grade: str
    beds: int
    colour: str
    discharges: int
    outpatients: int
    quality: float
    brand: str = ""
    files: tuple[str, ...] = ()

    def weight(self, month: date) -> int:
        """About how much there is to tell of a month: a sample file holds several times a usual month."""
        usual = self.discharges + self.outpatients // 10
        return usual * 6 if any(f"{month:%Y%m}" in name for name in self.files) else usual


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One person; `hospital` is None for the firm's people, `department` only for a department head."""

    name: str
    email: str
    role: str
    hospital: str | None = None
    department: str | None = None
    serves: tuple[str, ...] = ()


FIRM_CODE, FIRM_NAME, FIRM_NAME_EN = "hk", "恒康客服", "Hengkang Patient Care"

HOSPITALS = (
    DemoHospital(
        "heqing",
        "河清市第一人民医院",
        "Heqing First People's Hospital",
        "general",
        "130100",
        "3A",
        1200,
        "teal",
        70,
        200,
        0.25,
        files=("heqing_discharges_202609.csv", "heqing_outpatients_202609.csv"),
    ),
    DemoHospital(
        "yunling",
        "云岭妇幼保健院",
        "Yunling Maternal and Child Hospital",
        "maternal",
        "530100",
        "2A",
        420,
        "pink",
        60,
        0,
        0.15,
        files=("yunling_discharges_202609.xlsx",),
    ),
    DemoHospital(
        "beishan",
        "北山县中医院",
        "Beishan County TCM Hospital",
        "tcm",
        "130123",
        "2A",
        350,
        "lime",
        50,
        0,
        -0.2,
        files=("beishan_discharges_202609.csv",),
    ),
    DemoHospital(
        "qinghe",
        "青禾区人民医院",
        "Qinghe District People's Hospital",
        "general",
        "130102",
        "2A",
        520,
        "blue",
        55,
        100,
        0.0,
    ),
    DemoHospital(
        "anping",
        "安坪骨科医院",
        "Anping Orthopaedic Hospital",
        "specialist",
        "130104",
        "2B",
        220,
        "orange",
        50,
        0,
        0.3,
    ),
    DemoHospital(
        "jinghua",
        "静华妇产医院",
        "Jinghua Women's Hospital",
        "maternal",
        "130105",
        "2A",
        260,
        "purple",
        50,
        0,
        0.2,
    ),
    DemoHospital(
        "xinyuan",
        "新垣县人民医院",
        "Xinyuan County People's Hospital",
        "general",
        "130125",
        "2A",
        480,
        "cyan",
        55,
        100,
        -0.35,
    ),
    DemoHospital(
        "luming",
        "鹿鸣儿童医院",
        "Luming Children's Hospital",
        "specialist",
        "130108",
        "3B",
        380,
        "green",
        50,
        0,
        0.1,
    ),
    DemoHospital(
        "cuihu",
        "翠湖中心医院",
        "Cuihu Central Hospital",
        "general",
        "530102",
        "3A",
        1500,
        "azure",
        60,
        100,
        0.05,
    ),
    DemoHospital(
        "dieshan",
        "叠山县人民医院",
        "Dieshan County People's Hospital",
        "general",
        "530112",
        "2B",
        300,
        "red",
        45,
        0,
        -0.1,
    ),
    DemoHospital(
        "linjiang",
        "临江市第二人民医院",
        "Linjiang Second People's Hospital",
        "general",
        "320106",
        "3B",
        900,
        "indigo",
        55,
        0,
        0.0,
    ),
    DemoHospital(
        "kangning",
        "康宁康复医院",
        "Kangning Rehabilitation Hospital",
        "specialist",
        "320104",
        "2A",
        180,
        "yellow",
        6,
        0,
        0.35,
        brand="康宁",
    ),
)

ALL = tuple(hospital.code for hospital in HOSPITALS)
AGENTS = (
    DemoPerson("李敏", "limin@hengkang.example", "agent", serves=("heqing", "yunling", "beishan")),
    DemoPerson("高飞", "gaofei@hengkang.example", "agent", serves=ALL),
    DemoPerson("宋佳", "songjia@hengkang.example", "agent", serves=ALL),
    DemoPerson("丁一鸣", "dingyiming@hengkang.example", "agent", serves=ALL[3:]),
    DemoPerson("何晓燕", "hexiaoyan@hengkang.example", "agent", serves=ALL[:6]),
)
FIRM_PEOPLE = (
    DemoPerson("王磊", "wanglei@hengkang.example", "team_lead"),
    DemoPerson("周倩", "zhouqian@hengkang.example", "qa"),
    DemoPerson("何琳", "helin@hengkang.example", "operations"),
    DemoPerson("郑国栋", "zhengguodong@hengkang.example", "firm_gm"),
)
HOSPITAL_PEOPLE = (
    DemoPerson("赵院长", "zhao@heqing.example", "hospital_gm", "heqing"),
    DemoPerson("陈静", "chenjing@heqing.example", "hospital_admin", "heqing"),
    DemoPerson("孙主任", "sun@heqing.example", "department_head", "heqing", "心血管内科"),
    DemoPerson("马律", "malv@heqing.example", "medical_affairs", "heqing"),
    DemoPerson("钱会计", "qian@heqing.example", "hospital_finance", "heqing"),
    DemoPerson("段院长", "duan@yunling.example", "hospital_gm", "yunling"),
    DemoPerson("吴芳", "wufang@yunling.example", "hospital_admin", "yunling"),
    DemoPerson("石主任", "shi@beishan.example", "hospital_admin", "beishan"),
)
# Whoever reads the records and nothing else (三员分立), and a hospital on its way to the first call.
AUDITORS = (
    DemoPerson("许审", "xushen@hengkang.example", "auditor"),
    DemoPerson("罗安", "luoan@heqing.example", "hospital_auditor", "heqing"),
)
ONBOARDING = DemoHospital(
    "mingzhu", "明珠体检中心", "Mingzhu Check-up Centre", "checkup", "130104", "none", 0, "", 0, 0, 0.0
)
ONBOARDING_DIRECTOR = DemoPerson("沈院长", "shen@mingzhu.example", "hospital_gm", "mingzhu")
OPERATOR = DemoPerson("吴凡", "wufan@careloop.example", "operator")
PEOPLE = (*AGENTS, *FIRM_PEOPLE, *HOSPITAL_PEOPLE, *AUDITORS, ONBOARDING_DIRECTOR, OPERATOR)
