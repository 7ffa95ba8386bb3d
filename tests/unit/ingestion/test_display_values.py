"""DICOM values as people read them."""

import pytest

from ingestion.admin.display_values import date_text, person_name_text, size_text, time_text
from ingestion.admin.standard_names import standard_name


@pytest.mark.parametrize(
    ("value", "text"),
    [("20260102", "2026-01-02"), ("", ""), ("2026", "2026"), ("around 1970", "around 1970")],
)
def test_date(value: str, text: str) -> None:
    assert date_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("101530.25", "10:15:30"), ("1015", "10:15"), ("10", "10"), ("", "")],
)
def test_time(value: str, text: str) -> None:
    assert time_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Q^Dr^III", "Doe, Jane Q Dr III"),
        ("Doe", "Doe"),
        ("^Jane", "Jane"),
        ("Yamada^Tarou=山田^太郎", "Yamada, Tarou"),
        ("", ""),
    ],
)
def test_person_name(value: str, text: str) -> None:
    assert person_name_text(value) == text


def test_size() -> None:
    assert size_text(0) == "0\N{NO-BREAK SPACE}bytes"
    assert size_text(1536) == "1.5\N{NO-BREAK SPACE}KB"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("study_instance_uid", "Study Instance UID"),
        ("patient_id", "Patient ID"),
        ("calling_ae_title", "calling AE title"),
        ("retired_at", "retired at"),
        ("wado_external_base_url", "WADO external base URL"),
    ],
)
def test_columns_are_named_as_in_the_standard(column: str, name: str) -> None:
    assert standard_name(column) == name
