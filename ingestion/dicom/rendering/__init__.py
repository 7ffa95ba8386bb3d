"""Turns stored pixels and content trees into what a browser shows. Pure code.

Source: PS3.4 N.2 (the pixel pipeline), PS3.18 8.3.5 and 8.7.4 (rendered media types).
"""
