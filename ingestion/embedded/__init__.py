"""Runs the whole product on one machine: private servers and every process, supervised.

Stands alone: the standard library and the names of environment variables, no Django.
"""
