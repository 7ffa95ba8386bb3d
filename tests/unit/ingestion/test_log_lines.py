"""What peers wrote stays inside the line that tells of it."""

from ingestion.observability import escape_control_characters


def test_control_characters_are_told_not_done() -> None:
    event = {"event": "association ended", "called_ae_title": "I\0\x1b[2JÄ", "instances": 3}
    told = escape_control_characters(None, "info", event)
    assert told == {
        "event": "association ended",
        "called_ae_title": "I\\x00\\x1b[2JÄ",
        "instances": 3,
    }
