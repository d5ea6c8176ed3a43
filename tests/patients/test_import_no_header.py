"""A list without headings is refused before anything of its first patient is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from world import NOW, World

from patients import importing, intake, layouts
from patients.feeds.files import read_table
from patients.feeds.headers import is_patient, masked
from patients.feeds.messages import UnreadableFile
from patients.models import ColumnLayout, DataImport

FIRST = "K7000001,李雷,男,13812345678,11010519491231002X,2026-09-12,骨科"
ROWS = [
    FIRST,
    "李雷,13812345678",
    "李雷,+86 138-1234-5678,骨科",
    "李雷,11010519491231002X",
    "李雷,２０２６－０９－１２",
    "李雷,2026年9月12日",
    "李雷,9/12/2026,A1001",
    "李雷,00000095",
    "李雷,女,A1001",
    "李雷,70岁,A1001",
]


@pytest.mark.parametrize("first", ROWS)
@pytest.mark.parametrize("ask", [True, False])
def test_a_first_row_that_is_a_patient_is_no_header(world: World, first: str, *, ask: bool) -> None:
    content = f"{first}\n{first}\n".encode()
    with world.hospital(world.heqing) as session:
        with pytest.raises(UnreadableFile) as refused:
            intake.receive(session, content, "list.csv", intake.Arrival("upload", "陈静", NOW, ask=ask))
        assert (refused.value.code, refused.value.params) == ("no_header", {})
        with pytest.raises(UnreadableFile):
            importing.import_file(session, content, "list.csv", by="陈静", now=NOW)
        for table in (DataImport, ColumnLayout):
            assert session.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize(
    "header",
    ["编码,称呼,离开,电话一", "P6891,P900,P2,ICD10", "病案号,姓名,出院日期,2026-09-01", "col1,col2,col3"],
)
def test_strange_headings_are_still_headings(header: str) -> None:
    assert read_table(f"{header}\n{FIRST}\n".encode(), "list.csv").header == tuple(header.split(","))


def test_no_number_is_kept_among_headings(world: World) -> None:
    header = "病案号,姓名,出院日期,13812345678,1950-01-01,备注11010519491231002X,ICD10"
    content = f"{header}\nA1,李雷,2026-09-12,x,y,z,w\n".encode()
    with world.hospital(world.heqing) as session:
        arrival = intake.Arrival("upload", "陈静", NOW, ask=True)
        row = intake.receive(session, content, "list.csv", arrival)
        table = read_table(content, "list.csv")
        layout = layouts.written(table.header, row.layout, row.columns)
        layouts.remember(session, table.header, layout, hand=False, by="陈静", now=NOW)
        report = importing.import_file(session, content, "list.csv", by="陈静", now=NOW)
        done = session.get_one(DataImport, (session.tenant_id, report.import_id))
        kept = repr(
            [row.header, done.header, done.dropped_columns, *session.scalars(select(ColumnLayout.header))]
        )
        for value in ("13812345678", "1950", "11010519491231"):
            assert value not in kept
        assert "ICD10" in kept
        assert layouts.read_header(session, table.header).sure, "and the header is known again"


@given(st.text(max_size=40))
def test_masking_is_done_once(cell: str) -> None:
    assert masked(masked(cell)) == masked(cell)
    assert not is_patient(("病案号", "姓名", cell))
