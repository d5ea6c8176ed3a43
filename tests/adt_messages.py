"""Messages of an invented hospital system, for the tests of feeds."""

from __future__ import annotations

from typing import Any


def adt(
    event: str, at: str, *, number: str = "H0001", visit: str = "V1", control: str = "", **said: Any
) -> str:
    """An ADT message with segments as a Chinese system writes them; `at` is EVN-2, YYYYMMDDHHMMSS."""
    control = control or f"{event}-{at}-{visit}"
    charset = said.get("charset", "UNICODE UTF-8")
    name, phone = said.get("name", "张𠮷"), said.get("phone", "13800138000")
    id_number = said.get("id_number", "")
    admitted, discharged = said.get("admitted", "20260901080000"), said.get("discharged", "")
    pid = f"{number}^^^HQ^MR" + (f"~{id_number}^^^GA^NI" if id_number else "")
    dead = said.get("dead", "")
    segments = [
        f"MSH|^~\\&|HIS|河清|CARELOOP|HQ|{at}||ADT^{event}|{control}|P|2.5||||||{charset}",
        f"EVN|{event}|{at}",
        f"PID|1||{pid}||{name}||19700501|M|||||{phone}|||||||||||||||||{dead}",
    ]
    if event != "A40":
        ward, department = said.get("ward", "骨科一病区"), said.get("department", "骨科")
        disposition, count = said.get("disposition", "1" if event == "A03" else ""), said.get("count", "")
        pv1 = [""] * 46
        pv1[0], pv1[1], pv1[2], pv1[3] = "PV1", "1", said.get("kind", "I"), f"{ward}^^12"
        pv1[7], pv1[10], pv1[13], pv1[19] = "D07^李医生", department, count, visit
        pv1[36], pv1[44], pv1[45] = disposition, admitted, discharged
        segments.append("|".join(pv1))
        segments.append("NK1|1|张小妹|SIS^姐妹|||13900139000")
        segments.append("DG1|1||S72.0^股骨颈骨折||20260901|F")
    else:
        segments.append(f"MRG|{said['gone']}^^^HQ^MR")
    return "\r".join([*segments, "ZPV|1|something of theirs"]) + "\r"
