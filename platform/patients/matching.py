"""Who is who: which patient of the hospital each staged record number belongs to (患者主索引).

Known by the record number; then as an alias of a patient's; then by an ID number together with the same name.
The same ID number under another name is nobody's proof: it makes a likely duplicate (`patients.duplicates`),
never a match. Nor is it when sex or birth date contradict, when the birth date is not the one inside the ID
number, or under the first name of a newborn: children are written down under their mother's card, twins under
one. Two new numbers of one file with one ID number and name are one patient.
"""

from __future__ import annotations

from sqlalchemy import text

from foundation.database import HospitalSession
from patients.other_people import BLANKS, NEWBORN
from patients.staging import PERSON_COLUMNS, analyse


def _no_contradiction(one: str, other: str) -> str:
    return f"({one}.sex = {other}.sex) IS NOT FALSE AND ({one}.birth_date = {other}.birth_date) IS NOT FALSE"


_NUMBERS = text(f"""
    CREATE TEMP TABLE import_number ON COMMIT DROP AS
    SELECT n.record_number, n.row_number, n.discharged_on, n.id_number_index, n.plain_name,
           n.sex, n.birth_date, n.by_id,
           coalesce(a.patient_id, p.id, uuidv7()) AS patient_id,
           CASE WHEN a.patient_id IS NULL AND p.id IS NULL THEN 'new' ELSE 'known' END AS found
    FROM (
        SELECT DISTINCT ON (record_number COLLATE "C") record_number, row_number, discharged_on,
               id_number_index, translate(name, {BLANKS}, '') AS plain_name, sex, birth_date,
               id_number_index IS NOT NULL AND name <> '' AND name !~ {NEWBORN}
                   AND 'birth_date_differs' <> ALL (string_to_array(warnings, ',')) AS by_id
        FROM import_row ORDER BY record_number COLLATE "C", discharged_on DESC, row_number DESC
    ) AS n
    LEFT JOIN patient p ON p.tenant_id = :tenant_id AND p.record_number = n.record_number
    LEFT JOIN record_alias a ON a.tenant_id = :tenant_id AND a.record_number = n.record_number
        AND (p.id IS NULL OR p.merged_at IS NOT NULL)
""")  # noqa: S608 - texts of ours, no value in them
_KNOWN_BY_ID = text(f"""
    UPDATE import_number n SET patient_id = k.id, found = 'id_number'
    FROM (
        SELECT DISTINCT ON (m.record_number) m.record_number, p.id
        FROM import_number m
        JOIN patient p ON p.tenant_id = :tenant_id AND p.id_number_index = m.id_number_index
            AND translate(p.name, {BLANKS}, '') = m.plain_name
        WHERE m.found = 'new' AND m.by_id AND p.restricted_at IS NULL AND p.merged_at IS NULL
          AND {_no_contradiction("m", "p")}
        ORDER BY m.record_number, p.id
    ) AS k
    WHERE n.record_number = k.record_number
""")  # noqa: S608 - texts of ours, no value in them
# Of the numbers of one file that are one person, the one known already leads, else the first.
_ONE_PERSON = text(f"""
    UPDATE import_number n SET patient_id = l.patient_id, found = 'id_number'
    FROM (
        SELECT id_number_index, plain_name, (min(ARRAY[(found = 'new')::int, row_number]))[2] AS leader
        FROM import_number WHERE by_id AND plain_name <> ''
        GROUP BY id_number_index, plain_name HAVING count(*) > 1
    ) AS s
    JOIN import_number l ON l.row_number = s.leader
    WHERE n.found = 'new' AND n.id_number_index = s.id_number_index AND n.plain_name = s.plain_name
      AND n.row_number <> s.leader AND n.by_id AND {_no_contradiction("n", "l")}
      AND NOT EXISTS (SELECT 1 FROM patient p WHERE p.tenant_id = :tenant_id AND p.id = l.patient_id
                      AND NOT ({_no_contradiction("n", "p")}))
""")  # noqa: S608 - texts of ours, no value in them
# A person is what their latest discharge in the file says.
_PEOPLE = text(f"""
    CREATE TEMP TABLE import_person ON COMMIT DROP AS
    SELECT n.patient_id, l.patient_id IS NOT NULL AS is_new,
           coalesce(l.record_number, n.record_number) AS record_number, r.discharged_on AS as_of,
           {PERSON_COLUMNS}
    FROM (
        SELECT DISTINCT ON (patient_id) patient_id, record_number, row_number FROM import_number
        ORDER BY patient_id, discharged_on DESC, row_number DESC
    ) AS n
    JOIN import_row r ON r.row_number = n.row_number
    LEFT JOIN import_number l ON l.patient_id = n.patient_id AND l.found = 'new'
""")  # noqa: S608 - texts of ours, no value in them
_NUMBER_INDEX = text("CREATE INDEX ON import_number (record_number)")
_PERSON_INDEX = text("CREATE INDEX ON import_person (patient_id)")


def match(session: HospitalSession) -> None:
    """Fill `import_number` (record number → patient) and `import_person` (one row for each patient)."""
    mine = {"tenant_id": session.tenant_id}
    session.execute(_NUMBERS, mine)
    analyse(session, "import_number", "record_number", "id_number_index", "plain_name", "found")
    session.execute(_KNOWN_BY_ID, mine)
    session.execute(_ONE_PERSON, mine)
    session.execute(_PEOPLE)
    session.execute(_NUMBER_INDEX)
    session.execute(_PERSON_INDEX)
    analyse(session, "import_number", "record_number", "patient_id", "found")
    analyse(session, "import_person", "patient_id", "is_new")
