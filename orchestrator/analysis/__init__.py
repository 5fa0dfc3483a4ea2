"""Fits, claims, figures and the report page: pure functions of pandas frames, no access to a store."""
