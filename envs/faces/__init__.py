"""Environments as gymnasium, PettingZoo and RLlib know them."""
