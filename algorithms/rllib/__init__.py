"""RLlib: its algorithms as coordinators."""
