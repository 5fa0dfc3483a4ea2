"""Algorithms of RLlib as coordinators."""
