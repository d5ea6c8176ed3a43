"""What the hospitals' people do about complaints: take up, tell how it goes, finish; most in time, some
late.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from careloop.demo.behaviour import Dice
from careloop.demo.stage import Stage, StageHospital
from feedback.models import CaseClock, FeedbackCase
from feedback.progress import acknowledge, add_progress, mark_handled, record_investigation, record_plan
from foundation.calendar import SHANGHAI
from foundation.database import HospitalSession
from patients.models import Patient

LATE = 0.12


def work_cases(stage: Stage, dice: Dice, until: datetime) -> None:
    """Everything the hospitals' people do up to `until`, each act at its own moment."""
    for hospital in stage.hospitals:
        with stage.hospital(hospital, hospital.officer) as session:
            for case in _open_cases(session):
                _work(session, hospital, case, dice, until)


def _open_cases(session: HospitalSession) -> list[FeedbackCase]:
    return list(
        session.scalars(
            select(FeedbackCase)
            .where(
                FeedbackCase.tenant_id == session.tenant_id,
                FeedbackCase.stage.in_(("received", "in_hand")),
            )
            .order_by(FeedbackCase.number)
        )
    )


def _work(
    session: HospitalSession, hospital: StageHospital, case: FeedbackCase, dice: Dice, until: datetime
) -> None:
    patient = case.patient_id and session.get(Patient, (session.tenant_id, case.patient_id))
    facts = (hospital.cast.code, patient.record_number if patient else case.number, case.round)
    clocks = {
        clock.kind: clock
        for clock in session.scalars(
            select(CaseClock).where(
                CaseClock.tenant_id == session.tenant_id,
                CaseClock.case_id == case.id,
                CaseClock.round == case.round,
            )
        )
    }
    first = clocks.get("emergency") or clocks["ack"]
    taken_up = _moment(first, dice, "ack", *facts)
    if first.met_at is None and taken_up <= until:
        _take_up(session, hospital, case, taken_up)
    last = clocks.get("resolve") or clocks.get("confirm") or clocks["direction"]
    finished = max(_moment(last, dice, "last", *facts), taken_up + timedelta(hours=1))
    if case.stage == "in_hand":
        _middle(session, hospital, case, clocks, dice, until, facts)
    if finished <= until and case.stage == "in_hand":
        mark_handled(session, case.id, actor=hospital.head, note="已处理并完成整改", now=finished)


def _take_up(session: HospitalSession, hospital: StageHospital, case: FeedbackCase, at: datetime) -> None:
    if case.tier == 3:
        acknowledge(session, case.id, actor=hospital.officer, now=at, owner="complaint_officer")
    owner = "agent" if case.tier == 1 else "department_head"
    acknowledge(session, case.id, actor=hospital.head, now=at, owner=owner)


def _middle(
    session: HospitalSession,
    hospital: StageHospital,
    case: FeedbackCase,
    clocks: dict[str, CaseClock],
    dice: Dice,
    until: datetime,
    facts: tuple[object, ...],
) -> None:
    for kind, act in (("investigate", record_investigation), ("plan", record_plan)):
        clock = clocks.get(kind)
        if clock is None or clock.met_at is not None:
            continue
        at = _moment(clock, dice, kind, *facts)
        if at <= until:
            act(session, case.id, actor=hospital.head, note="已核实并制定措施", now=at)
            if kind == "plan":
                told = at + timedelta(minutes=20)
                add_progress(session, case.id, "已电话告知处理进度", actor=hospital.officer, now=told)


def _moment(clock: CaseClock, dice: Dice, *facts: object) -> datetime:
    """When somebody meets this limit: usually well inside it, sometimes after it."""
    allowed = clock.due_at - clock.starts_at
    share = 1.05 + dice.minutes(0, 60, "late", *facts) / 100
    if not dice.chance(LATE, *facts):
        share = 0.08 + dice.minutes(0, 70, "share", *facts) / 100
    return _in_office(clock.starts_at + allowed * share, clock)


def _in_office(moment: datetime, clock: CaseClock) -> datetime:
    """The same day between half past eight and half past six, where the clock allows; a night act becomes a
    morning's.

    Limits of an hour run at any time of day, so what starts at night is taken up at night.
    """
    local = moment.astimezone(SHANGHAI)
    opens, closes = local.replace(hour=8, minute=30), local.replace(hour=18, minute=30)
    if local < opens:
        moved = opens
    elif local > closes:
        moved = closes if closes > clock.starts_at else local
    else:
        moved = local
    return moment if moment <= clock.due_at < moved else moved
