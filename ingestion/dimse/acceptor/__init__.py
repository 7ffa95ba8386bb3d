"""Associations that peers ask of us: who may, and what is answered."""
