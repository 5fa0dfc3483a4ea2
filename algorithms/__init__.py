"""Algorithms: a package a family, a file an algorithm, blocks and kernels beside it."""
