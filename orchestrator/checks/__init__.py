"""What ``check`` and ``doctor`` examine: an algorithm, and a machine."""
