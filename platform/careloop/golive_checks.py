"""What the whole product can see before a go-live: that the walls around this hospital's rows stand."""

from __future__ import annotations

from datetime import datetime

import psycopg

from careloop.walls import faults_of_role, faults_of_tables
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.languages import mark
from tenants.life import golive
from tenants.life.golive import Finding


def register() -> None:
    """Register the check; harmless twice."""
    golive.check("walls", mark("Walls between hospitals"), walls)


def walls(session: HospitalSession, _now: datetime) -> Finding:
    """Every table stands behind its wall, and the role of this very connection cannot climb it."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        msg = "the walls are looked at through psycopg"
        raise TypeError(msg)
    faults = faults_of_tables(connection) + faults_of_role(connection)
    if faults:
        return Finding("red", _("The database has no wall here: {fault}", fault=faults[0]))
    return Finding("green", _("Every table stands behind its wall."))
