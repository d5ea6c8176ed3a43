"""The words by which somebody is asked when the hospital has written none of its own (告知文本范本).

PIPL 17 and 30 want said: who, for what, in which way, which data, how long, which rights, and for sensitive
data why and to what effect. One text a purpose for every channel; `{hospital}` is the hospital's name in the
language of the text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    zh: str
    en: str


_WHO = Words(
    "您好，这里是{hospital}。本院是您个人信息的处理者，随访中心由本院委托的服务公司承担，公司只按本院的委托行事，"
    "名称和委托协议可向本院查询。",
    "This is {hospital}. The hospital decides how your personal information is used; the follow-up"
    " centre is run for it by a service company that acts on its orders only. The hospital will tell"
    " you the company's name and what was agreed with it.",
)
_HOW = Words(
    "联系方式：电话、短信、微信或电子邮件。通话会录音，每次通话开始时会再次告知；您不同意录音时，录音立即停止并删除。",
    "How: by telephone, text message, WeChat or e-mail. Calls are recorded, and you are told so at"
    " the start of each; if you object, the recording stops at once and is deleted.",
)
_RIGHTS = Words(
    "您可以拒绝，也可以随时撤回同意：在通话中说一声、回复短信“R”或告诉本院任何工作人员即可，立即生效，不影响您的诊疗，"
    "此前已进行的联系不受影响。您可以查阅、复制、更正、删除您的信息，或要求说明，本院在15日内答复。",
    "You may say no, and you may take a yes back at any time: say so in a call, answer a text message"
    " with “R”, or tell anybody at the hospital. It holds at once and changes nothing about your care."
    " You may see, copy, correct and erase your information or ask for an explanation; the hospital"
    " answers within 15 days.",
)
_GUARDIAN = Words(
    "未满14周岁的患者由监护人决定。", "For a patient under 14 years of age the guardian decides."
)
_BODY: dict[str, Words] = {
    "care_followup": Words(
        "目的：在您出院或就诊之后了解恢复情况，提醒用药和复诊，发现问题及时转给您的医生。使用的信息：姓名、性别、年龄、"
        "联系电话、就诊科室、出入院日期、主管医生和诊断，以及您的回答。诊断和您的回答属于敏感个人信息，只为判断您是否需要"
        "帮助而使用，仅随访人员和您的科室可见。回答保存24个月，录音保存1年，通话记录保存3年，到期删除或去除身份。",
        "Purpose: to ask how you recover after your stay or visit, to remind you of medicines and"
        " appointments, and to pass problems on to your doctor. Information used: name, sex, age,"
        " telephone number, department, dates of the stay, doctor and diagnosis, and your answers."
        " Diagnosis and answers are sensitive; they are used only to see whether you need help and"
        " seen only by the follow-up staff and your department. Answers are kept for 24 months,"
        " recordings for 1 year, call records for 3 years, then erased or made anonymous.",
    ),
    "satisfaction": Words(
        "目的：了解您对医疗服务的满意程度，改进本院的工作，大约三分钟。使用的信息：姓名、联系电话、就诊科室和日期，以及您的"
        "回答。回答不告知为您诊疗的人员，报告中只出现汇总数字。回答保存24个月，之后与您的身份断开，录音保存1年。",
        "Purpose: to ask how satisfied you are with your care, so that the hospital can do better; it"
        " takes about three minutes. Information used: name, telephone number, department and date,"
        " and your answers. Those who treated you are not told what you said; reports show totals"
        " only. Answers are kept for 24 months and then cut off from your identity, recordings for 1"
        " year.",
    ),
    "complaint": Words(
        "目的：受理、调查并答复您的意见或投诉，并询问您是否满意。使用的信息：姓名、联系电话、就诊信息、您反映的内容和录音，"
        "可能包含健康信息，属于敏感个人信息，仅承办人员可见。办理投诉是医疗机构的法定职责。材料在办结后保存5年，"
        "涉及医疗纠纷的保存15年。",
        "Purpose: to take up, look into and answer what you report or complain about, and to ask"
        " whether you are satisfied. Information used: name, telephone number, your stay or visit,"
        " what you say and its recording; it may include sensitive health information and is seen only"
        " by those who handle it. The law obliges the hospital to handle complaints. The file is kept"
        " for 5 years after closing, 15 years in a medical dispute.",
    ),
    "marketing": Words(
        "目的：向您介绍健康讲座、体检和其他服务项目，属于商业信息。使用的信息：仅姓名和联系电话，不使用诊断。您不同意不影响"
        "任何诊疗和随访，未经您单独同意本院不会因此联系您。同意有效至您撤回，撤回后证明材料再保存3年。",
        "Purpose: to tell you of health talks, check-ups and other services; this is commercial"
        " information. Information used: name and telephone number only, no diagnosis. Saying no"
        " changes nothing about your care or its follow-up, and without your separate yes you are not"
        " contacted for this. A yes holds until you take it back; the proof is kept for 3 years more.",
    ),
}


def standard(purpose: str, hospital_zh: str, hospital_en: str) -> Words:
    """The whole text of a purpose for a hospital; the names stand where the text says who asks."""
    parts = (_WHO, _BODY[purpose], _HOW, _RIGHTS, _GUARDIAN)
    return Words(
        "".join(part.zh for part in parts).replace("{hospital}", hospital_zh),
        " ".join(part.en for part in parts).replace("{hospital}", hospital_en or hospital_zh),
    )
