"""Why a file cannot be read: one code and one sentence for each kind of bad input.

The sentences are message ids in English; the caller translates ``UnreadableFile.template`` and fills in
``params``.
"""

from typing import Final


def N_(text: str) -> str:  # noqa: N802 - the name by which gettext tools find texts that are translated later
    """Mark a text for translation and return it as it is."""
    return text


TEMPLATES: Final[dict[str, str]] = {
    "empty_file": N_("The file is empty."),
    "no_rows": N_("The file has a header and no row of data below it."),
    "too_large": N_("The file is larger than %(limit_mb)s MB; please send it in parts."),
    "not_a_table": N_("This file is not a table; please send CSV, TXT, XLS, XLSX or ODS."),
    "web_page": N_(
        "This file is a web page under the name of a table; please save it as XLSX and send it again."
    ),
    "wrong_encoding": N_("Line %(line)s cannot be read as UTF-8, UTF-16, GB18030 or Big5 text."),
    "broken_quotes": N_(
        "A quotation mark near row %(row)s is not closed, so rows would run into each other."
    ),
    "no_header": N_("The first row looks like a patient, not like headings; please add a heading row."),
    "unknown_header": N_("No heading was recognised for %(missing)s."),
    "repeated_header": N_(
        "The heading “%(heading)s” stands over columns %(first)s and %(second)s; which one counts?"
    ),
    "too_many_columns": N_("The table has more than %(limit)s columns."),
    "too_many_cells": N_(
        "The worksheet spans more than %(limit)s cells; please delete its empty rows and columns."
    ),
    "several_tables": N_("More than one worksheet holds patients (%(sheets)s); please send them one by one."),
    "macro_workbook": N_("The workbook contains macros; please save it as XLSX without them."),
    "password_protected": N_(
        "The workbook is protected by a password; please remove it and send the file again."
    ),
    "zip_bomb": N_("The workbook unpacks to more than %(limit_mb)s MB and was not opened."),
    "damaged_workbook": N_("The workbook is damaged and cannot be opened."),
}


class UnreadableFile(Exception):
    """A file that gives no rows at all: ``code`` is a key of ``TEMPLATES``, ``params`` fill its sentence."""

    def __init__(self, code: str, **params: str | int) -> None:
        self.code = code
        self.params: dict[str, str | int] = params
        super().__init__(self.template % params)

    @property
    def template(self) -> str:
        """The English sentence with its placeholders: the message id to translate."""
        return TEMPLATES[self.code]


REJECTION_TEXTS: Final[dict[str, str]] = {
    "no_record_number": N_("No record number"),
    "bad_discharge_date": N_("The discharge or visit date cannot be read"),
    "discharge_before_admission": N_("Discharged before admission"),
    "restricted_on_request": N_("Restricted at the patient's request: not taken in"),
    "erased_on_request": N_("Erased at the patient's request: not taken in again"),
    "number_of_organisation": N_("This number belongs to an organisation"),
    "other_person": N_("This record number belongs to another person here"),
}

WARNING_TEXTS: Final[dict[str, str]] = {
    "no_name": N_("No name"),
    "phone_damaged": N_("The spreadsheet damaged the phone number (1.38E+10): dropped"),
    "phone_unreadable": N_("The phone number cannot be dialled: dropped"),
    "no_phone_at_all": N_("No phone number at all"),
    "no_guardian_phone": N_("Under 14 without a guardian's phone number"),
    "bad_id": N_("The ID number is wrong: dropped"),
    "other_document": N_("The document is no resident ID card: its number was dropped"),
    "bad_birth_date": N_("The birth date cannot be right: dropped"),
    "birth_date_differs": N_("The birth date differs from the ID number"),
    "bad_admission_date": N_("The admission date cannot be read: dropped"),
    "bad_admission_count": N_("The admission count cannot be read: counted as 1"),
    "unknown_disposition": N_("The way of leaving is not known"),
    "row_length": N_("The row has more cells than the header"),
    "text_cut": N_("A text was too long and was cut"),
}
