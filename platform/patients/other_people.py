"""Rows that speak of another person than the record number does (病案号被他人使用).

A record number that a hospital gives out again brings somebody new: to write that person over the one who is
stored would hand on consents, deaths and telephone numbers. So a row is refused when its name and its ID
number are both known and both others than those stored; or when, for a stay that is stored already, its name
is another one together with the birth date or the ID number. A name alone that differs is the correction of a
slip and stays one. What somebody put right by hand (`patients.corrections`) is no contradiction to the list
that has not heard of it, and a newborn's first name is not a name yet.
"""

from __future__ import annotations

from sqlalchemy import text

from foundation.database import HospitalSession
from patients.staging import analyse

REASON = "other_person"
# Names are compared without blanks: lists pad two-character names (王  芳).
BLANKS = "E' \\u3000\\t\\u00a0'"
# What a ward writes until a child has a name: 李娜之女, 李娜之子B1, 王芳双胞胎大, 李娜婴, 张三毛毛, 李娜Ａ.
NEWBORN = (
    "'(之|的)(子|女|婴|儿|男|宝|孩|长|次|大|小|双|[一二三四甲乙丙丁0-9０-９A-Za-zＡ-Ｚａ-ｚ])"
    "|婴|新生儿|宝宝|毛毛|毛头|胞胎|[大小]双$|[一-鿿][A-Za-zＡ-Ｚａ-ｚ]{0,2}[0-9０-９]+$|[一-鿿][A-Za-zＡ-Ｚａ-ｚ]{1,2}$'"
)


def _other(stored: str) -> str:
    """Another person than this stored patient, as a condition on the row `r`."""
    name, number = f"translate({stored}.name, {BLANKS}, '')", f"{stored}.id_number_index"
    return f"""(
        {name} <> '' AND {name} <> r.plain_name AND {stored}.name !~ {NEWBORN}
        AND {stored}.overruled ->> 'name' IS DISTINCT FROM r.name
        AND (({number} <> r.id_number_index
              AND {stored}.overruled ->> 'id_number' IS DISTINCT FROM encode(r.id_number_index, 'hex'))
             OR (r.encounter_id IS NOT NULL AND {stored}.birth_date <> r.birth_date
                 AND {stored}.overruled ->> 'birth_date'
                     IS DISTINCT FROM to_char(r.birth_date, 'YYYY-MM-DD'))))"""


_SAID = f"""
    SELECT row_number, record_number, discharged_on, encounter_id, name, birth_date, id_number_index,
           translate(name, {BLANKS}, '') AS plain_name
    FROM import_row
    WHERE reason IS NULL AND NOT same AND name <> '' AND name !~ {NEWBORN}
"""  # noqa: S608 - texts of ours, no value in them
# Whose number it is: the patient who has it, or the one whom that record was taken into; either may be meant.
_NOT_AS_STORED = text(f"""
    UPDATE import_row i SET reason = '{REASON}', warnings = '', encounter_id = NULL
    FROM ({_SAID}) AS r
    LEFT JOIN patient p ON p.tenant_id = :tenant_id AND p.record_number = r.record_number
    LEFT JOIN record_alias a ON a.tenant_id = :tenant_id AND a.record_number = r.record_number
        AND (p.id IS NULL OR p.merged_at IS NOT NULL)
    LEFT JOIN patient q ON q.tenant_id = :tenant_id AND q.id = a.patient_id
    WHERE i.row_number = r.row_number AND (p.id IS NOT NULL OR q.id IS NOT NULL)
      AND (p.id IS NULL OR {_other("p")}) AND (q.id IS NULL OR {_other("q")})
    RETURNING old.warnings
""")  # noqa: S608 - texts of ours, no value in them
# Of one number in one file the earliest stay says whose it is, as if the stays had come one after another.
_NOT_AS_BEFORE = text(f"""
    UPDATE import_row i SET reason = '{REASON}', warnings = '', encounter_id = NULL
    FROM ({_SAID}) AS r
    JOIN (
        SELECT DISTINCT ON (record_number COLLATE "C") record_number, plain_name, id_number_index
        FROM ({_SAID}) AS s WHERE id_number_index IS NOT NULL
        ORDER BY record_number COLLATE "C", discharged_on, row_number
    ) AS f ON f.record_number = r.record_number
    WHERE i.row_number = r.row_number AND f.plain_name <> r.plain_name
      AND f.id_number_index <> r.id_number_index
    RETURNING old.warnings
""")  # noqa: S608 - texts of ours, no value in them


def refuse(session: HospitalSession) -> list[list[str]]:
    """Give the staged rows of other people their reason; returns each one's warnings, no longer counted."""
    analyse(session, "import_row", "row_number", "record_number")
    mine = {"tenant_id": session.tenant_id}
    found = [*session.scalars(_NOT_AS_STORED, mine), *session.scalars(_NOT_AS_BEFORE)]
    return [warnings.split(",") if warnings else [] for warnings in found]
