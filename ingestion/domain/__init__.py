"""Our own rules as pure code: no database, no files, no clock."""
