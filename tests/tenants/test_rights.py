"""Who may open what: the matrix, walked over the pages of this package by somebody of each role."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from tenants import service
from tenants.pages import handlers
from tenants.rights import HOME, MATRIX, NAMES, SIDES, Action, Role, allowed

# What each page of this package asks for; None: signed in is enough; "open": nobody need be signed in.
GUARDS: dict[str, Action | str | None] = {
    "GET /": "open",
    "GET /signin": "open",
    "POST /signin": "open",
    "POST /signout": "open",
    "GET /invitation/{token:str}": "open",
    "POST /invitation/{token:str}": "open",
    "POST /language": "open",
    "POST /demo/enter": "open",
    "GET /me/signins": None,
    "GET /firm/hospitals": Action.MANAGE_HOSPITALS,
    "POST /firm/hospitals": Action.MANAGE_HOSPITALS,
    "GET /firm/people": Action.MANAGE_HOSPITALS,
    "POST /firm/people": Action.MANAGE_HOSPITALS,
    "POST /firm/people/{person_id:uuid}/hospitals": Action.MANAGE_HOSPITALS,
}
GUARDED = sorted(key for key, guard in GUARDS.items() if isinstance(guard, Action))
FORMS = {
    "POST /firm/hospitals": {
        "code": "newone", "name": "新院", "name_en": "New", "hospital_type": "general", "region": "130100",
        "grade": "3A",
    },
    "POST /firm/people": {"name": "新人", "email": "new@example.com", "role": "qa"},
}  # fmt: skip


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def member(world: World, role: Role) -> UUID:
    """Somebody who holds this one role."""
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = service.make_person(
            session, email=f"{role}@example.com", name=role.value, language="zh_Hans", now=NOW
        )
        service.add_member(
            session,
            person.id,
            role,
            firm_id=world.firm_id if SIDES[role] == "firm" else None,
            tenant_id=world.heqing.tenant_id if SIDES[role] == "hospital" else None,
            now=NOW,
        )
    return person.id


def test_every_handler_of_this_package_states_its_guard() -> None:
    stated = {
        f"{method} {path}"
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
        if method != "OPTIONS"
    }
    assert stated == set(GUARDS)


def test_every_role_has_rights_a_name_a_side_and_a_home() -> None:
    assert set(MATRIX) == set(NAMES) == set(SIDES) == set(HOME) == set(Role)
    assert all(MATRIX.values())


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_exactly_what_the_matrix_says(browser: Browser, world: World, role: Role) -> None:
    person_id = member(world, role)
    browser.enter(person_id)
    for key in GUARDED:
        method, path = key.split(" ")
        path = path.replace("{person_id:uuid}", str(world.people["agent"]))
        action = GUARDS[key]
        assert isinstance(action, Action)
        answer = browser.get(path) if method == "GET" else browser.post(path, FORMS.get(key))
        expected = {200, 303, 201} if action in MATRIX[role] else {403}
        assert answer.status_code in expected, (role, key)


def test_a_stranger_is_led_to_the_sign_in_page_and_back(browser: Browser) -> None:
    for key in [*GUARDED, "GET /me/signins"]:
        method, path = key.split(" ")
        path = path.replace("{person_id:uuid}", "0199f2c8-7f42-7cc0-8d4e-7f427cc08d4e")
        answer = browser.get(path) if method == "GET" else browser.post(path, FORMS.get(key))
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/signin?next=/")
    assert browser.get("/firm/people").headers["location"] == "/signin?next=/firm/people"


def test_hospital_staff_never_release_figures_to_others() -> None:
    """Statistics go to the hospital's GM; others get them only through the GM (S4-16)."""
    others = set(Role) - {Role.HOSPITAL_GM}
    hospital = {role for role in others if SIDES[role] == "hospital"}
    assert not any(allowed([role], Action.VIEW_REPORTS) for role in hospital)


def test_the_platforms_operator_sees_no_patient() -> None:
    of_hospitals = {
        Action.VIEW_PATIENTS,
        Action.VIEW_CASES,
        Action.VIEW_PLANS,
        Action.WORK_QUEUE,
        Action.REVEAL,
    }
    assert not MATRIX[Role.OPERATOR] & of_hospitals
    assert MATRIX[Role.OPERATOR] == {Action.VIEW_OPERATIONS, Action.ASK_SUPPORT, Action.SUSPEND_FIRM}
