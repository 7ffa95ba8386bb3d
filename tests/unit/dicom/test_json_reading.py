"""Arrays of data sets are taken apart as a JSON parser would, and each is checked by itself."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.dicom.json_reading import parse_data_set, split_data_sets
from ingestion.errors import InvalidDocument, ObjectTooComplex

TEXT = st.text(max_size=8) | st.sampled_from(('"', "\\", '\\"', "{", "}", "[", "],", "\\u0022"))
JSON = st.recursive(
    st.none() | TEXT | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)


@given(st.lists(OBJECTS, max_size=4), st.booleans())
def test_objects_come_apart_as_they_were_put_together(
    objects: list[object], is_indented: bool
) -> None:
    document = orjson.dumps(objects, option=orjson.OPT_INDENT_2 if is_indented else None)
    assert [orjson.loads(text) for text in split_data_sets(document)] == objects


@given(OBJECTS)
def test_one_object_alone_is_one(only: object) -> None:
    assert [orjson.loads(text) for text in split_data_sets(b" " + orjson.dumps(only))] == [only]


@given(st.binary(max_size=60) | st.text('[]{},"\\: a1', max_size=30).map(str.encode))
@example(b"[{},]")
@example(b"[,{}]")
@example(b"[{} {}]")
@example(b"[{}]]")
@example(b"[{}] []")
@example(b"[{}1]")
@example(b'[{"a":"]')
@example(b'["a"]')
@example(b"[[{}]]")
def test_what_no_parser_takes_is_refused(document: bytes) -> None:
    try:
        found = [parse_data_set(text) for text in split_data_sets(document)]
    except (InvalidDocument, ObjectTooComplex):
        return
    parsed = orjson.loads(document.removeprefix(b"\xef\xbb\xbf"))
    assert found == (parsed if isinstance(parsed, list) else [parsed])


def test_what_stood_before_a_break_is_good() -> None:
    texts = split_data_sets(b'[{"a": 1}, {"b"')
    assert next(texts) == b'{"a": 1}'
    with pytest.raises(InvalidDocument):
        next(texts)


def test_strings_without_an_end_cost_no_more_than_their_length() -> None:
    with pytest.raises(InvalidDocument):
        list(split_data_sets(b'[{"' + b'\\"' * 2_000_000))


def test_tags_are_in_capitals_and_vrs_are_there() -> None:
    assert parse_data_set(b'{"0020000d": {"Value": ["1.2"]}, "00080005": {"vr": "CS"}}') == {
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "00080005": {"vr": "CS"},
    }


def test_null_is_no_value() -> None:
    assert parse_data_set(b'{"00080005": {"vr": "CS", "Value": null}}') == {
        "00080005": {"vr": "CS"}
    }
    assert parse_data_set(b'{"00081140": {"vr": "SQ", "Value": [null]}}') == {
        "00081140": {"vr": "SQ", "Value": [{}]}
    }


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"null",
        b"{",
        b'{"0020000D": {"vr": "UI"}, "0020000d": {"vr": "UI"}}',
        b'{"PatientName": {"vr": "PN"}}',
        b'{"00100010": "Doe"}',
        b'{"00100010": {"vr": "XX"}}',
        b'{"00100010": {"vr": ["PN"]}}',
        b'{"00280106": {"Value": [1]}}',
        b'{"00100010": {"vr": "PN", "Value": "Doe"}}',
        b'{"7FE00010": {"vr": "OW", "InlineBinary": "", "BulkDataURI": ""}}',
        b'{"7FE00010": {"vr": "OW", "BulkDataURI": 3}}',
        b'{"00081140": {"vr": "SQ", "Value": [3]}}',
        b'{"00081140": {"vr": "SQ", "BulkDataURI": "a"}}',
    ],
)
def test_what_is_no_data_set_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidDocument):
        parse_data_set(document)


@pytest.mark.parametrize(("depth", "error"), [(65, ObjectTooComplex), (100_000, InvalidDocument)])
def test_depth_is_bounded(depth: int, error: type[Exception]) -> None:
    def nested(levels: int) -> bytes:
        begin = b'{"00081140":{"vr":"SQ","Value":[' * levels
        return begin + b"{}" + b"]}}" * levels

    assert parse_data_set(nested(64))
    with pytest.raises(error):
        parse_data_set(nested(depth))
