"""The DICOM Standard as pure code: no database, no network, no settings."""
