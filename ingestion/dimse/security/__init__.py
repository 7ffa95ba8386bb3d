"""TLS and user identities."""
