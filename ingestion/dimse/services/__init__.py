"""One module per service class, and the table of which request is served by which."""
