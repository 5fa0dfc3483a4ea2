"""Environments with exact solutions: kernel arrays for the engine, a gymnasium face, the truth in closed form.

Nothing here imports the engine; an environment is numpy, numba, pydantic and gymnasium alone.
"""
