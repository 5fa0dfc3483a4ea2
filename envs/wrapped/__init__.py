"""Environments of gymnasium and PettingZoo, by name."""
