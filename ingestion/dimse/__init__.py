"""The DIMSE service: associations, C-ECHO and C-STORE (PS3.7, PS3.8).

The modules of the protocol know neither Django nor the use cases; `serve` joins them.
"""
