"""The matrix as a whole; every address is walked by every role in tests/system/test_rights_walk.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web_client import Browser, browsing

from foundation.database import Database
from tenants.rights import HOME, MATRIX, NAMES, SIDES, Action, Role, allowed


def test_every_role_has_rights_a_name_a_side_and_a_home() -> None:
    assert set(MATRIX) == set(NAMES) == set(SIDES) == set(HOME) == set(Role)
    assert all(MATRIX.values())


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def test_a_stranger_is_led_to_the_sign_in_page_and_back(browser: Browser) -> None:
    assert browser.get("/firm/people").headers["location"] == "/signin?next=/firm/people"
    assert browser.post("/firm/people", {"name": "x"}).headers["location"].startswith("/signin?next=/")


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
