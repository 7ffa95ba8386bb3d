"""How dates and times are written on screens: ISO 8601, with seconds; see FORMAT_MODULE_PATH."""
