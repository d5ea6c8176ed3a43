"""What a hospital's system sends, as examples to copy: invented people, every field where it is read."""

from __future__ import annotations

from foundation.masking import Shown

HL7 = Shown(r"""MSH|^~\&|HIS|HOSPITAL|CARELOOP||20260908103000||ADT^A03|MSG00001|P|2.5||||||UNICODE UTF-8
EVN|A03|20260908103000
PID|1||ZY000123^^^HOSPITAL^MR||张三||19700501|M|||||13800138000
PV1|1|I|骨科一病区^^12||||D07^李医生|||骨科|||2||||||V20260901|||||||||||||||||1||||||||20260901080000|20260908100000
NK1|1|张小妹|SIS^姐妹|||13900139000
DG1|1||S72.0^股骨颈骨折||20260901|F""")
JSON = Shown("""{
  "visits": [
    {
      "record_number": "ZY000123",
      "visit": "inpatient",
      "status": "discharged",
      "visit_number": "V20260901",
      "recorded_at": "2026-09-08T10:30:00+08:00",
      "admission_count": 2,
      "name": "张三",
      "sex": "男",
      "birth_date": "1970-05-01",
      "phone": "13800138000",
      "contact_name": "张小妹",
      "contact_relation": "姐妹",
      "contact_phone": "13900139000",
      "admitted_on": "2026-09-01",
      "discharged_on": "2026-09-08",
      "department": "骨科",
      "ward": "骨科一病区",
      "doctor": "李医生",
      "diagnosis": "股骨颈骨折",
      "diagnosis_code": "S72.0",
      "disposition": "1"
    }
  ]
}""")
