"""Two doors for rows that the product itself can never change (`case_event` is append-only).

Both belong to the owner and run with its rights, so that the runtime role keeps none of its own. The policies
are forced on the owner as well: a door opens onto the hospitals of the transaction's scope and no others.
Each looks first whether what the law asks for has happened, and refuses otherwise.
"""

from __future__ import annotations

from alembic import op

# Rows of a hospital that has left (PIPL 21, 47): its key is destroyed, so nobody can read them any more.
_ERASE = """
CREATE FUNCTION erase_case_events(hospital_id uuid, at_most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.hospital h
                   WHERE h.tenant_id = hospital_id AND h.wrapped_key IS NULL AND h.state = 'left') THEN
        RAISE EXCEPTION 'this hospital has not left: its case log stays'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM public.case_event e WHERE e.tenant_id = hospital_id AND e.id IN (
        SELECT c.id FROM public.case_event c WHERE c.tenant_id = hospital_id LIMIT at_most);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$
"""
# What was written about a patient who is erased (PIPL 47): who did what and when stays, the words go.
_WIPE = """
CREATE FUNCTION wipe_case_notes(hospital_id uuid, erased_patient uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wiped bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.patient p
                   WHERE p.tenant_id = hospital_id AND p.id = erased_patient AND p.erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'this patient is not erased: the words about them stay'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE public.case_event e SET note_cipher = NULL
    WHERE e.tenant_id = hospital_id AND e.note_cipher IS NOT NULL AND e.case_id IN (
        SELECT c.id FROM public.feedback_case c
        WHERE c.tenant_id = hospital_id AND (
            c.patient_id = erased_patient
            OR c.encounter_id IN (SELECT v.id FROM public.encounter v
                                  WHERE v.tenant_id = hospital_id AND v.patient_id = erased_patient)
            OR c.call_id IN (SELECT k.id FROM public.call k
                             WHERE k.tenant_id = hospital_id AND k.patient_id = erased_patient)));
    GET DIAGNOSTICS wiped = ROW_COUNT;
    RETURN wiped;
END $$
"""
_GRANT = """
DO $$ BEGIN EXECUTE format('GRANT EXECUTE ON FUNCTION {name} TO %I',
    current_setting('careloop.runtime_role')); END $$
"""


def make() -> None:
    """Make both doors; nobody but the runtime role may open them."""
    for name, statement in (
        ("erase_case_events(uuid, bigint)", _ERASE),
        ("wipe_case_notes(uuid, uuid)", _WIPE),
    ):
        op.execute(statement)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(_GRANT.replace("{name}", name))
