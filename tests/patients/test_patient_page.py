"""One patient in one place: what comes next, what happened by day and kind, what is noted of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update
from web_client import Browser, browsing
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.database import Database, HospitalSession
from foundation.ids import new_id
from outreach import timeline as outreach_timeline
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients import joining, organisations, preferences, queries, suppression, timeline, withdrawal
from patients.models import Encounter, Enrolment, Patient, RecordAlias
from patients.timeline import Entry
from tenants.keys import unseal

ADMIN = "heqing_admin"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


@pytest.fixture
def admin(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people[ADMIN])


def words_of(world: World, patient_id: UUID) -> str:
    with world.hospital(world.heqing) as session:
        patient = session.get_one(Patient, (session.tenant_id, patient_id))
        return unseal(session, patient.must_not_say_cipher)


def test_saving_the_words_again_never_stores_their_mask(admin: Browser, world: World) -> None:
    """The page shows numbers in them by mask; the form begins empty, and empty keeps what stands."""
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, must_not_say="别打13977778888")
    address = f"/h/heqing/patients/{patient.id}"
    page = admin.get(address).text
    assert "别打139****8888" in page
    form = re.search(r'<textarea[^>]*name="words"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert form is not None
    assert form[1] == ""
    assert admin.post(f"{address}/words", {"words": form[1]}).status_code == 303
    assert words_of(world, patient.id) == "别打13977778888"
    admin.post(f"{address}/words", {"words": "家属未告知病情"})
    assert words_of(world, patient.id) == "家属未告知病情"
    admin.post(f"{address}/words", {"none": "yes"})
    assert words_of(world, patient.id) == ""


def test_how_somebody_is_best_reached_is_noted_and_on_the_record(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    with world.hospital(world.yunling) as session:
        stranger = world.patient(session)
    address = f"/h/heqing/patients/{patient.id}/preferences"
    wish = {"answered_by": "child", "dialect": "cantonese", "preferred_part": "evening"}
    assert admin.post(address, wish | {"dialect": "elvish"}).status_code == 422
    assert admin.post(f"/h/heqing/patients/{stranger.id}/preferences", wish).status_code == 404
    assert admin.post(address, wish).status_code == 303
    assert admin.post(address, wish).status_code == 303
    page = admin.get(f"/h/heqing/patients/{patient.id}").text
    for words in ("子女", "粤语", "晚上"):
        assert words in page
    with world.hospital(world.heqing) as session:
        events = select(AuditEvent).where(AuditEvent.action == "patients.preferences_changed")
        assert [event.detail["fields"] for event in session.scalars(events)] == [
            ["answered_by", "dialect", "preferred_part"]
        ]
        with pytest.raises(preferences.UnknownPreference):
            preferences.set_preferences(
                session, patient.id, answered_by="", dialect="", preferred_part="night", now=NOW
            )


def test_the_history_is_by_day_newest_first_of_a_kind_and_goes_on(
    admin: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "_sources", {})
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)

    def calls(_session: HospitalSession, _patient_id: UUID) -> list[Entry]:
        return [
            Entry(NOW - timedelta(days=day, minutes=n), "call", f"第{day}天第{n}次", path="cases/1")
            for day in range(6)
            for n in range(12)
        ]

    timeline.register("outreach", calls)
    address = f"/h/heqing/patients/{patient.id}"
    first = admin.get(address).text
    shown = re.findall(r"第(\d)天第(\d+)次", first)
    assert shown[:2] == [("0", "0"), ("0", "1")]
    assert "出院" in first
    following = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert following is not None
    second = admin.get(following[1].replace("&amp;", "&")).text
    later = re.findall(r"第(\d)天第(\d+)次", second)
    assert len(shown) + len(later) == 72
    assert not set(shown) & set(later)
    only = admin.get(f"{address}?show=encounter").text
    assert "第0天" not in only
    assert "出院" in only
    assert admin.get(f"{address}?show=nonsense").status_code == 200


def test_a_link_stands_only_for_whoever_may_follow_it(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        request = TaskRequest(
            patient_id=patient.id,
            encounter_id=None,
            kind="revisit",
            purpose="care_followup",
            source="revisit",
            source_id=new_id(),
            label={"zh": "第2次回访", "en": "Follow-up 2"},
            rank=Rank.REST,
            opens_at=NOW,
            due_at=NOW + timedelta(days=1),
            closes_at=NOW + timedelta(days=5),
        )
        assert make_tasks(session, [request], NOW).made
    outreach_timeline.register()
    browser.enter(world.people["heqing_gm"])
    page = browser.get(f"/h/heqing/patients/{patient.id}").text
    assert "第2次回访" in page
    for forbidden in ("/correct", '/suppress"', "/preferences", "/reveal", "/imports/"):
        assert forbidden not in page
    for path in ("preferences", "correct", "words"):
        assert browser.post(f"/h/heqing/patients/{patient.id}/{path}").status_code == 403


def test_a_merged_record_leads_to_the_one_that_was_kept(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = world.patient(session), world.patient(session)
        joining.merge(session, kept.id, gone.id, reason="同一人", now=NOW)
        kept_id, gone_id, number = kept.id, gone.id, gone.record_number
        aliases = session.scalars(select(RecordAlias.record_number)).all()
        assert aliases == [number]
    sent = admin.get(f"/h/heqing/patients/{gone_id}")
    assert sent.headers["location"] == f"/h/heqing/patients/{kept_id}"
    page = admin.get(f"/h/heqing/patients/{kept_id}").text
    assert number in page
    assert "两份档案合并" in page
    assert admin.post(f"/h/heqing/patients/{gone_id}/words", {"words": "x"}).status_code == 404
    found = admin.post("/h/heqing/patients/search", {"search": number}).text
    assert f"/patients/{kept_id}" in found
    assert f"/patients/{gone_id}" not in found


def test_a_program_searches_by_post_and_sees_masks(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, phone="13977778888", dialect="wu")
    path = "/api/v1/h/heqing/patients/search"
    headers = {"X-CSRFToken": admin.token()}
    answer = admin.client.post(path, json={"search": "13977778888"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert [(line["id"], line["name"]) for line in answer.json()["patients"]] == [(str(patient.id), "王**")]
    assert admin.client.post(path, json={"search": " "}, headers=headers).json()["patients"] == []
    lost = admin.client.post(path, json={"search": "王", "after": str(new_id())}, headers=headers)
    assert lost.status_code == 404
    assert (
        admin.client.post(
            path.replace("heqing", "yunling"), json={"search": "王"}, headers=headers
        ).status_code
        == 404
    )
    assert admin.get(f"/api/v1/h/heqing/patients/{patient.id}").json()["dialect"] == "wu"


def test_a_stay_that_the_hospital_took_back_is_shown_as_such_and_counts_nowhere(
    admin: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        [stay] = queries.card(session, patient.id).encounters
        withdrawal.withdraw(session, [stay.id], now=NOW)
        session.flush()
        card = queries.card(session, patient.id)
        assert (card.encounter, card.encounters, card.taken_back) == (None, (), (stay,))
    stays = admin.get(f"/h/heqing/patients/{patient.id}").text.split("<tbody>")
    assert any("已撤销" in part and "住院" in part for part in stays)


def test_an_organisation_is_not_asked_for_a_dialect(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        person = world.patient(session)
        centre = world.patient(session, contact_type="community_centre")
    assert 'name="dialect"' in admin.get(f"/h/heqing/patients/{person.id}").text
    page = admin.get(f"/h/heqing/patients/{centre.id}").text
    assert 'name="dialect"' not in page
    assert 'name="preferred_part"' in page
    assert "诊疗随访<br>" not in page
    assert "满意度调查<br>" in page, "its contact person may refuse to be asked"


def fact(page: str, label: str) -> str:
    """What stands beside a label among the facts of a person, without marks."""
    found = re.search(rf"<dt>{label}</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert found is not None
    return re.sub(r"<[^>]+>", "", found[1]).strip()


def test_the_page_of_somebody_stopped_says_why_in_place_of_the_state(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        patient = world.patient(session)
    address = f"/h/heqing/patients/{patient.id}"
    assert fact(admin.get(address).text, "联系状态") == "可联系"
    with world.hospital(world.heqing, world.agent) as session:
        suppression.suppress(session, patient.id, "deceased", source="call", now=NOW)
        suppression.suppress(session, patient.id, "refused", source="call", now=NOW)
    shown = fact(admin.get(address).text, "联系状态")
    assert shown.split() == ["已故", "拒绝回访"]


def test_a_confirmed_death_says_who_confirmed_it_and_when(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        patient = world.patient(session)
        row = suppression.suppress(session, patient.id, "deceased", source="call", now=NOW)
    address = f"/h/heqing/patients/{patient.id}"
    assert "死亡已" not in admin.get(address).text
    with world.hospital(world.heqing, world.admin) as session:
        suppression.confirm_death(session, row.id, now=NOW + timedelta(hours=1))
        told = [(e.at, e.title, e.detail) for e in timeline.of(session, patient.id)]
    assert (NOW + timedelta(hours=1), "死亡已确认", "陈静") in told
    page = admin.get(address).text
    assert "死亡已由陈静于2026-09-15" in page


def test_the_list_is_of_patients_and_a_search_finds_an_organisation_by_its_code(
    admin: Browser, world: World
) -> None:
    new = organisations.Organisation("company", "河清机械厂", "郑卫东", "工会主席", "13933334444")
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        row = organisations.add(session, new, today=NOW.date(), now=NOW)
        assert [line.id for line in queries.patients(session).lines] == [patient.id]
        (line,) = queries.patients(session, row.record_number).lines
    assert line.masked_name == "河清机械厂"
    found = admin.post("/h/heqing/patients/search", {"search": row.record_number}).text
    assert "河清机械厂" in found
    assert "wxm" in found


def test_only_somebody_with_a_stay_is_offered_the_programme_by_hand(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        session.execute(delete(Enrolment).where(Enrolment.patient_id == patient.id))
    address, form = f"/h/heqing/patients/{patient.id}", f"/patients/{patient.id}/enrolment/start"
    assert form in admin.get(address).text
    with world.hospital(world.heqing) as session:
        session.execute(update(Encounter).where(Encounter.patient_id == patient.id).values(kind="outpatient"))
    assert form not in admin.get(address).text


def test_what_ends_contacts_at_once_asks_first(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    page = admin.get(f"/h/heqing/patients/{patient.id}").text
    for form in ("suppress", "consents/withdraw"):
        assert re.search(rf'/patients/{patient.id}/{form}" data-confirm="确定[^"]+"', page), form
