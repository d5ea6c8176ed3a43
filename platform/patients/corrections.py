"""What somebody put right by hand (手工更正) and a list may not undo.

A correction stands until a list says something new: a value that differs from the one that was corrected.
A list that still says the old value has just not heard of the correction yet; one that says another value
knows more. What the list said is kept on the patient (`Patient.overruled`): texts as they stood, numbers as
keyed indexes in hexadecimal, an empty text where the list said nothing.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from foundation.database import HospitalSession
from patients.models import Patient

FIELDS = ("name", "sex", "birth_date", "id_number", "phone", "contact_name", "contact_phone")
# A list that says neither the corrected value nor nothing ends the correction of that field.
_END = text("""
    UPDATE patient p SET overruled = p.overruled - ARRAY(
        SELECT said.field FROM (VALUES
            ('name', i.name), ('sex', i.sex), ('birth_date', to_char(i.birth_date, 'YYYY-MM-DD')),
            ('id_number', encode(i.id_number_index, 'hex')), ('phone', encode(i.phone_index, 'hex')),
            ('contact_name', i.contact_name), ('contact_phone', encode(i.contact_index, 'hex'))
        ) AS said (field, value)
        WHERE said.value <> '' AND p.overruled ->> said.field <> said.value)
    FROM import_person i
    WHERE NOT i.is_new AND p.tenant_id = :tenant_id AND p.id = i.patient_id AND p.overruled <> '{}'
""")
_STAND = text("""
    UPDATE import_person i
    SET name = CASE WHEN o.name = i.name THEN o.stored_name ELSE i.name END,
        initials = CASE WHEN o.name = i.name THEN o.initials ELSE i.initials END,
        sex = CASE WHEN o.sex = i.sex THEN NULL ELSE i.sex END,
        birth_date = CASE WHEN o.born = i.birth_date THEN NULL ELSE i.birth_date END,
        age_years = CASE WHEN o.born = i.birth_date THEN NULL ELSE i.age_years END,
        id_number_index = CASE WHEN o.id_number = i.id_number_index THEN NULL ELSE i.id_number_index END,
        phone_index = CASE WHEN o.phone = i.phone_index THEN NULL ELSE i.phone_index END,
        contact_name = CASE WHEN o.contact_name = i.contact_name THEN o.stored_contact
                            ELSE i.contact_name END,
        contact_index = CASE WHEN o.contact_phone = i.contact_index THEN NULL ELSE i.contact_index END
    FROM (
        SELECT p.id, p.name AS stored_name, p.initials, p.overruled ->> 'name' AS name,
               p.overruled ->> 'sex' AS sex,
               CAST(nullif(p.overruled ->> 'birth_date', '') AS date) AS born,
               decode(p.overruled ->> 'id_number', 'hex') AS id_number,
               decode(p.overruled ->> 'phone', 'hex') AS phone,
               decode(p.overruled ->> 'contact_phone', 'hex') AS contact_phone,
               p.overruled ->> 'contact_name' AS contact_name, coalesce(c.name, '') AS stored_contact
        FROM patient p
        LEFT JOIN contact_point c ON c.tenant_id = :tenant_id AND c.patient_id = p.id AND c.holder = 'contact'
        WHERE p.tenant_id = :tenant_id AND p.overruled <> '{}'
          AND p.id IN (SELECT patient_id FROM import_person WHERE NOT is_new)
    ) AS o
    WHERE NOT i.is_new AND o.id = i.patient_id
""")


def note(patient: Patient, field: str, listed: str | date | bytes | None) -> None:
    """Remember what the list said of this field before it was put right by hand.

    `listed` is a keyed index for a number. Of several corrections the first counts: the list never knew the
    others. Raises `ValueError` for a field that no list brings.
    """
    if field not in FIELDS:
        raise ValueError(field)
    overruled = patient.overruled or {}
    if field not in overruled:
        said = listed.hex() if isinstance(listed, bytes) else str(listed or "")
        patient.overruled = {**overruled, field: said}


def keep(session: HospitalSession) -> None:
    """Take out of the staged people what was put right by hand since, and end what a list knows better."""
    mine = {"tenant_id": session.tenant_id}
    session.execute(_END, mine)
    session.execute(_STAND, mine)
