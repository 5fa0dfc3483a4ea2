"""Odd input by seed, to every command: no traceback, no odd exit code, no hang, nothing written elsewhere."""
