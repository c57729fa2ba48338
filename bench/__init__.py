"""Measurements of what the design promises, each beside its baseline in the same run.

`python -m bench` runs all subjects; `python -m bench exposition --users 1000` one of them.
"""
