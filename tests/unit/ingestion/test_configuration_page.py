"""The configuration page says what `environment.py` says."""

from ingestion.environment import Environment, Limits
from ingestion.management.commands.write_configuration_docs import PAGE, configuration_page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == configuration_page()


def test_every_variable_is_explained() -> None:
    page = configuration_page()
    for name in (*Environment.model_fields, *Limits.model_fields):
        assert name == "limits" or f"`INGESTION_{name.upper()}`" in page
    assert all(field.description for field in Environment.model_fields.values())
    assert all(field.description for field in Limits.model_fields.values())


def test_units_ranges_and_defaults_are_told() -> None:
    lines = {
        line.split("`")[1]: line for line in configuration_page().splitlines() if "| `" in line
    }
    assert "integer from 0 to 65535 | `11112`" in lines["INGESTION_DIMSE_PORT"]
    assert (
        "integer of bytes from 1024 | `8589934592` (8 GiB)" in lines["INGESTION_INSTANCE_BYTES_MAX"]
    )
    assert "secret | **required**" in lines["INGESTION_SECRET_KEY"]
    assert "`json` or `console`" in lines["INGESTION_LOG_FORMAT"]
