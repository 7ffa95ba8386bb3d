"""Measures the product against peers on one machine, in one run. `python -m bench --help`.

Every figure counts only what was acknowledged and is held afterwards. Each run of a cell has a
freshly started server in a fresh folder, and the peers take turns.
"""
