"""The statistics of verdicts: arrays in, intervals and outcomes out, for one claim or for thousands at once."""
