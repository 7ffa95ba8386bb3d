"""What goes over the wire: PDUs, negotiation, messages and data sets. Knows nothing of Django."""
