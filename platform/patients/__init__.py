"""The people cared for.

Owns the *patient* (患者) of one hospital with encrypted identifiers, the *encounter* (就诊: inpatient 住院,
outpatient 门诊, examination 体检), the *guardian* (监护人) of a minor, *consent* (同意), *suppression*
(免打扰: deceased, refused, wrong number), *enrolment* (入组) into follow-up, and the *feeds* (数据对接):
files whose format is recognised, whose rows are created, updated, left unchanged or rejected, and whose
second import changes nothing.
"""
