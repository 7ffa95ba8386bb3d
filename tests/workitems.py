"""Builds workitems as clients send them: DICOM JSON, with every attribute that is required."""

from typing import Any

JsonDataSet = dict[str, Any]


def code(value: str, scheme: str, meaning: str) -> JsonDataSet:
    """An item of a code sequence."""
    return {
        "00080100": {"vr": "SH", "Value": [value]},
        "00080102": {"vr": "SH", "Value": [scheme]},
        "00080104": {"vr": "LO", "Value": [meaning]},
    }


# PS3.4 Table CC.2.5-3, column N-CREATE: 1 has a value, 2 may be empty.
WORKITEM: JsonDataSet = {
    "00081195": {"vr": "UI"},
    "00741200": {"vr": "CS", "Value": ["MEDIUM"]},
    "00741204": {"vr": "LO", "Value": ["Contour the heart"]},
    "00741202": {"vr": "LO", "Value": ["Contouring"]},
    "00741210": {"vr": "SQ"},
    "00404025": {"vr": "SQ", "Value": [code("STATION1", "99HOSPITAL", "Workstation 1")]},
    "00404026": {"vr": "SQ"},
    "00404027": {"vr": "SQ"},
    "00404005": {"vr": "DT", "Value": ["20260102093000"]},
    "00404018": {"vr": "SQ", "Value": [code("110005", "DCM", "Interpretation")]},
    "00400400": {"vr": "LT"},
    "00404041": {"vr": "CS", "Value": ["READY"]},
    "00404021": {"vr": "SQ"},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "00100021": {"vr": "LO"},
    "00100024": {"vr": "SQ"},
    "00101002": {"vr": "SQ"},
    "00100030": {"vr": "DA", "Value": ["19800229"]},
    "00100040": {"vr": "CS", "Value": ["F"]},
    "00380010": {"vr": "LO"},
    "00380014": {"vr": "SQ"},
    "00081080": {"vr": "LO"},
    "00081084": {"vr": "SQ"},
    "0040A370": {"vr": "SQ"},
    "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
    "00741002": {"vr": "SQ"},
    "00741216": {"vr": "SQ"},
}

# Column Final State: what P asks for below Unified Procedure Step Performed Procedure Sequence.
PERFORMED: JsonDataSet = {
    "00404028": {"vr": "SQ", "Value": [code("STATION1", "99HOSPITAL", "Workstation 1")]},
    "00404050": {"vr": "DT", "Value": ["20260102094500"]},
    "00404019": {"vr": "SQ", "Value": [code("110005", "DCM", "Interpretation")]},
    "00404051": {"vr": "DT", "Value": ["20260102101500"]},
    "00404033": {"vr": "SQ"},
}


def build_workitem(**attributes: Any) -> JsonDataSet:
    """A complete workitem; `t00100020="P2"` sets a text, None leaves the attribute out."""
    workitem = dict(WORKITEM)
    for name, value in attributes.items():
        tag = name.removeprefix("t")
        if value is None:
            del workitem[tag]
        else:
            workitem[tag] = value if isinstance(value, dict) else text(WORKITEM[tag]["vr"], value)
    return workitem


def text(vr: str, *values: object) -> JsonDataSet:
    """An attribute with values."""
    return {"vr": vr, "Value": list(values)}


def performed(**changes: JsonDataSet | None) -> JsonDataSet:
    """The change that lets a workitem be completed."""
    item = {**PERFORMED, **{name.removeprefix("t"): value for name, value in changes.items()}}
    kept = {tag: value for tag, value in item.items() if value is not None}
    return {"00741216": {"vr": "SQ", "Value": [kept]}}
