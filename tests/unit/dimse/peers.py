"""What tests of associations ask of a scripted peer and of the log."""

import pytest

from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_AC,
    ScriptedPeer,
)


def ended(caplog: pytest.LogCaptureFixture) -> dict[str, object] | None:
    """The one line about the end of an association, once it is there."""
    for record in caplog.records:
        line: object = record.msg  # structlog hands the fields on as they are
        if isinstance(line, dict) and line["event"] == "association ended":
            return {**line, "level": record.levelname}
    return None


def associated(peer: ScriptedPeer) -> ScriptedPeer:
    assert peer.associate().kind == ASSOCIATE_AC
    return peer


def aborted(peer: ScriptedPeer) -> tuple[int, int]:
    """Source and reason of the A-ABORT that comes next."""
    answer = peer.read_pdu()
    assert answer.kind == ABORT
    return answer.body[2], answer.body[3]
