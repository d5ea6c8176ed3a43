"""The state of a visit is what its events say together, whatever their order and however often they come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from adt_messages import adt
from hypothesis import given
from hypothesis import strategies as st
from world import NOW

from patients.adt import hl7_text
from patients.adt.events import Event, Kind
from patients.adt.folding import VisitState, fold
from patients.adt.hl7 import event_of


def history(*messages: str) -> list[Event]:
    return [event_of(hl7_text.parse(hl7_text.decode(hl7_text.split(one.encode())[0])[0])) for one in messages]


def state(*messages: str) -> VisitState:
    found = fold(history(*messages))
    assert found is not None
    return found


ADMITTED = adt("A01", "20260901080000")
MOVED = adt("A08", "20260903080000", department="康复科", phone="13700137000")
DISCHARGED = adt("A03", "20260908103000", discharged="20260908100000", department="康复科", phone="")
UNDONE = adt("A13", "20260908120000", department="康复科")
AGAIN = adt("A03", "20260910090000", discharged="20260910090000", disposition="2", department="康复科")
NEVER = adt("A11", "20260901090000")


def test_an_admission_waits_for_its_discharge() -> None:
    assert state(ADMITTED).status == "waiting"
    assert state(MOVED, ADMITTED).status == "waiting"
    assert state(MOVED).status == "waiting"


def test_a_discharge_stands_with_the_latest_of_everything() -> None:
    stay = state(DISCHARGED, MOVED, ADMITTED)
    assert stay.status == "here"
    row = stay.row(3)
    assert (row["department"], row["phone"], row["discharged_on"]) == ("康复科", "13700137000", "2026-09-08")
    assert row["admission_count"] == "3"


def test_an_old_update_that_comes_late_brings_no_old_value_back() -> None:
    late = adt("A08", "20260902080000", phone="13600136000", department="急诊")
    assert state(ADMITTED, MOVED, DISCHARGED, late) == state(ADMITTED, late, MOVED, DISCHARGED)
    assert state(ADMITTED, MOVED, DISCHARGED, late).fields["phone"] == "13700137000"


def test_a_cancelled_discharge_is_none_until_the_next_one() -> None:
    assert state(ADMITTED, DISCHARGED, UNDONE).status == "waiting"
    again = state(UNDONE, AGAIN, DISCHARGED, ADMITTED)
    assert again.status == "here"
    assert (again.row(1)["discharged_on"], again.row(1)["disposition"]) == ("2026-09-10", "2")


def test_a_death_goes_with_the_discharge_that_is_cancelled() -> None:
    died = adt("A03", "20260908103000", disposition="5", dead="Y")
    assert state(ADMITTED, died).fields["outcome"] == "死亡"
    undone = state(ADMITTED, died, UNDONE, AGAIN)
    assert "outcome" not in undone.fields
    assert undone.fields["disposition"] == "2"


def test_a_cancelled_admission_never_was() -> None:
    assert state(NEVER, ADMITTED).status == "cancelled"
    assert state(NEVER, ADMITTED, DISCHARGED).status == "here"  # recorded after the cancellation: it was


def test_an_outpatient_is_there_at_once_and_a_cancelled_one_is_not() -> None:
    seen = adt("A04", "20260901080000", kind="O")
    assert state(seen).status == "here"
    assert state(seen).row(1)["visited_on"] == "2026-09-01"
    assert state(seen, adt("A11", "20260901090000", kind="O")).status == "cancelled"


def test_what_is_said_of_the_person_alone_holds_for_the_visit() -> None:
    new_number = adt("A08", "20260909080000", visit="", admitted="", phone="13500135000", department="骨科")
    stay = state(ADMITTED, DISCHARGED, new_number)
    assert stay.fields["phone"] == "13500135000"
    assert stay.fields["department"] == "康复科"
    assert fold(history(new_number)) is None


def test_a_whole_report_forgets_what_it_leaves_out() -> None:
    def report(kind: Kind, hours: int, **fields: str) -> Event:
        return Event(kind, NOW + timedelta(hours=hours), "", "H1", "V1", fields, "inpatient", whole=True)

    left = report("discharge", 1, discharged_on="2026-09-08", disposition="5")
    back = report("admit", 2, ward="三病区")
    found = fold([back, left])
    assert found is not None
    assert (found.status, dict(found.fields)) == ("waiting", {"ward": "三病区"})


KINDS: list[Kind] = ["admit", "register", "update", "discharge", "cancel_discharge", "cancel_admit"]
EVENTS = st.builds(
    lambda kind, minutes, control, visit, whole, fields: Event(
        kind, NOW + timedelta(minutes=minutes), control, "H1", visit, fields, whole=whole
    ),
    st.sampled_from(KINDS),
    st.integers(0, 4),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from(["V1", "V1", "V1", ""]),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["phone", "ward", "disposition", "discharged_on", "outcome"]),
        st.sampled_from(["x", "y", ""]),
    ),
)


@given(st.lists(EVENTS, max_size=8), st.data())
def test_neither_order_nor_repetition_matters(events: list[Event], data: st.DataObject) -> None:
    again = data.draw(
        st.permutations(events + (data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []))
    )
    assert fold(again) == fold(events)


@pytest.mark.parametrize("taken", range(1, 6))
def test_every_way_of_arriving_ends_in_the_same(taken: int) -> None:
    messages = [ADMITTED, MOVED, DISCHARGED, UNDONE, AGAIN]
    rotated = messages[taken:] + messages[:taken]
    assert state(*rotated, *messages) == state(*messages)
