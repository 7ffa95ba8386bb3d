"""DICOMweb: store, search and retrieve over HTTP (PS3.18 Studies Service)."""
