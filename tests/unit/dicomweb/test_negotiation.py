"""What clients accept, and what they get: PS3.18 8.7; the headers are those clients send."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.media_types import parse_accept, parse_media_type, quality
from dicomweb.negotiation import (
    DICOM_FILE,
    DICOM_FILES,
    DICOM_JSON,
    DICOM_XML,
    DICOM_XMLS,
    DICOM_ZIP,
    Representation,
    choose,
)
from ingestion.errors import NotAcceptable

APPENDED_BY_OHIF = (
    "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*"
)
JAVA_DEFAULT = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
CT = "1.2.840.10008.1.2.1"

# What Accept headers are made of, and what breaks them.
PIECES = (
    *("application/dicom", "multipart/related", "application/zip", "application/dicom+xml", "*/*"),
    *("*", ",", ";", " ", '"', "=", "\\", "q=", "0", ".5", "nan", "type=", "transfer-syntax="),
    *("application/dicom+json", '"application/dicom"', CT, "1.2.3", "/", "é", "\x00"),
)

METADATA = [DICOM_JSON]
STORE = [DICOM_JSON, DICOM_XML]
XML_METADATA = [DICOM_JSON, DICOM_XMLS]
STUDY = [DICOM_FILES]
ZIPPED = [DICOM_FILES, DICOM_ZIP]
INSTANCE = [DICOM_FILES, DICOM_FILE]


@pytest.mark.parametrize(
    ("accept", "offers", "expected"),
    [
        ("", STORE, DICOM_JSON),
        ("*/*", STORE, DICOM_JSON),
        (JAVA_DEFAULT, STORE, DICOM_JSON),
        ("application/dicom+xml", STORE, DICOM_XML),
        ("application/dicom+json", STORE, DICOM_JSON),
        ("application/json", STORE, DICOM_JSON),
        ("application/json; charset=utf-8", METADATA, DICOM_JSON),
        ("application/dicom+json, application/json", METADATA, DICOM_JSON),
        ("application/xml;q=0.9, application/json;q=0.1", STORE, DICOM_XML),
        ("application/dicom+json;q=0, */*", STORE, DICOM_XML),
        ("application/*", STORE, DICOM_JSON),
        ("*/*", XML_METADATA, DICOM_JSON),
        (JAVA_DEFAULT, XML_METADATA, DICOM_JSON),
        (APPENDED_BY_OHIF, XML_METADATA, DICOM_JSON),
        ('multipart/related; type="application/dicom+xml"', XML_METADATA, DICOM_XMLS),
        ("multipart/related; type=application/dicom+xml", XML_METADATA, DICOM_XMLS),
        ("application/zip", ZIPPED, DICOM_ZIP),
        ("application/zip;q=0.5, */*;q=0.1", ZIPPED, DICOM_ZIP),
        ("text/html, */*;q=0.8", ZIPPED, DICOM_FILES),
        (APPENDED_BY_OHIF, METADATA, DICOM_JSON),
        ('multipart/related; type="application/dicom"', STUDY, DICOM_FILES),
        ("multipart/related; type=application/dicom", STUDY, DICOM_FILES),
        ('multipart/related;type="application/dicom";transfer-syntax=*', STUDY, DICOM_FILES),
        ('multipart/related; type="*/*"', INSTANCE, DICOM_FILES),
        ("multipart/related", INSTANCE, DICOM_FILES),
        ("*", INSTANCE, DICOM_FILES),
        ("*/*", INSTANCE, DICOM_FILES),
        ("application/dicom", INSTANCE, DICOM_FILE),
        ('application/dicom, multipart/related; type="application/dicom"', INSTANCE, DICOM_FILE),
        ('multipart/related; type="application/dicom", application/dicom', INSTANCE, DICOM_FILES),
        (
            'multipart/related; type="application/dicom";q=0.5, application/dicom',
            INSTANCE,
            DICOM_FILE,
        ),
    ],
)
def test_clients_get_what_they_accept(
    accept: str, offers: list[Representation], expected: Representation
) -> None:
    assert choose(accept, "", offers).representation == expected


@pytest.mark.parametrize(
    ("accept", "offers"),
    [
        ("text/html", STORE),
        ("application/dicom+xml", METADATA),
        ("application/dicom+xml;q=0", XML_METADATA),
        ("application/dicom", STUDY),
        ('multipart/related; type="image/jpeg"', INSTANCE),
        ("application/dicom+json;q=0", METADATA),
        ("complete nonsense", METADATA),
        ("*/*;q=0", METADATA),
    ],
)
def test_what_cannot_be_made_is_not_acceptable(accept: str, offers: list[Representation]) -> None:
    with pytest.raises(NotAcceptable):
        choose(accept, "", offers)


def test_the_query_parameter_stands_in_for_the_header() -> None:
    assert choose("text/html", "*", INSTANCE).representation == DICOM_FILES
    assert choose("text/html", "application/dicom", INSTANCE).representation == DICOM_FILE
    assert choose("text/html", "application/dicom json", METADATA).representation == DICOM_JSON


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", [""]),
        ("*/*", [""]),
        ("application/dicom", [""]),
        ("application/dicom; transfer-syntax=*", ["*"]),
        ('application/dicom; transfer-syntax="*"', ["*"]),
        (f"application/dicom; transfer-syntax={CT}", [CT]),
        (f'application/dicom; transfer-syntax="{CT}", */*;q=0.1', [CT, ""]),
        (
            f"application/dicom; transfer-syntax={CT}, application/dicom; transfer-syntax=1.2.3",
            [CT, "1.2.3"],
        ),
        (
            f"application/dicom;transfer-syntax={CT};q=.2,application/dicom;transfer-syntax=1.2.3",
            ["1.2.3", CT],
        ),
        (f"application/dicom; transfer-syntax={CT}, application/dicom+json", [CT]),
        (f"application/dicom; transfer-syntax={CT}, application/dicom;q=0", [CT]),
        ("application/dicom; transfer-syntax=", [""]),
    ],
)
def test_transfer_syntaxes_are_those_that_accept_names(accept: str, expected: list[str]) -> None:
    choice = choose(accept, "", [DICOM_FILE])
    assert choice.transfer_syntaxes == tuple(expected)


def test_quoted_parameters_may_hold_separators() -> None:
    parsed = parse_media_type('Multipart/Related; Type="application/dicom"; boundary="a;b,c\\"d"')
    assert parsed is not None
    assert parsed.name == "multipart/related"
    assert parsed.parameters == {"type": "application/dicom", "boundary": 'a;b,c"d'}


@given(st.text(max_size=100))
def test_any_header_is_parsed_without_an_error(text: str) -> None:
    for accepted in parse_accept(text):
        assert 0 <= accepted.quality <= 1
    for header, parameter in ((text, ""), ("", text)):
        with suppress(NotAcceptable):
            assert choose(header, parameter, INSTANCE).representation in INSTANCE


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_mixture_of_what_clients_send_is_a_choice_or_not_acceptable(text: str) -> None:
    for offers in (INSTANCE, ZIPPED, STORE, XML_METADATA):
        with suppress(NotAcceptable):
            choice = choose(text, "", offers)
            assert choice.representation in offers
            assert choice.transfer_syntaxes


@pytest.mark.parametrize(
    ("text", "weight"),
    [("0.5", 0.5), ("1", 1), ("7", 1), ("-1", 0), ("", 1), ("x", 1), ("nan", 1), ("inf", 1)],
)
def test_a_weight_is_from_0_to_1(text: str, weight: float) -> None:
    assert quality(text) == weight
