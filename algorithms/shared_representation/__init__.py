"""Shared representation: agents learn a common low-rank map together; their heads stay private.

Sources: arXiv:2603.02426 (average reward, single timescale) and arXiv:2411.15014 (PFedTD-Rep, two timescales).
The updates are reconstructions: see docs/algorithms.
"""
