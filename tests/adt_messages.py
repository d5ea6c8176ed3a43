"""Messages of an invented hospital system, for the tests of feeds."""

from __future__ import annotations

import json
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


def bundle(status: str, updated: str, **changes: Any) -> bytes:
    """A FHIR bundle of one stay and its patient."""
    encounter: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": {"lastUpdated": updated},
        "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": "V9"}],
        "status": status,
        "class": {"code": "IMP"},
        "subject": {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"},
        "participant": [{"individual": {"display": "李医生"}}],
        "serviceType": {"text": "骨科"},
        "period": {"start": "2026-09-01T08:00:00+08:00"}
        | ({"end": "2026-09-08T10:00:00+08:00"} if status == "finished" else {}),
        "diagnosis": [{"condition": {"display": "股骨颈骨折"}}],
        "hospitalization": {"dischargeDisposition": {"coding": [{"code": changes.get("left", "home")}]}},
    }
    encounter |= changes.get("encounter", {})
    patient = {
        "resourceType": "Patient",
        "identifier": [
            {"type": {"coding": [{"code": "MR"}]}, "value": "H0001"},
            {"type": {"coding": [{"code": "NI"}]}, "value": "110101197005011239"},
        ],
        "name": [{"use": "official", "text": "张𠮷"}],
        "telecom": [{"system": "phone", "value": "13800138000", "use": "mobile"}],
        "gender": "male",
        "birthDate": "1970-05-01",
        "contact": [{"name": {"text": "张小妹"}, "telecom": [{"system": "phone", "value": "13900139000"}]}],
    } | changes.get("patient", {})
    entries = [
        {"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111", "resource": patient},
        {"fullUrl": "urn:uuid:22222222-2222-4222-8222-222222222222", "resource": encounter},
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
