"""One module per command; each calls a use case."""
