"""Reads command sets of which a test knows the kind."""

from ingestion.dimse.protocol.commands import Request, Response, decode_command


def decode_request(encoded: bytes | bytearray) -> Request:
    """The command set of what must be a request."""
    command = decode_command(encoded)
    assert isinstance(command, Request)
    return command


def decode_response(encoded: bytes | bytearray) -> Response:
    """The command set of what must be a response."""
    command = decode_command(encoded)
    assert isinstance(command, Response)
    return command
