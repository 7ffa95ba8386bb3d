"""Imaging Ingestion: what is held, and the Django project around it."""
