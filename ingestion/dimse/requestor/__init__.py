"""Associations that we ask of peers, and how instances are sent."""
