"""Agents whose interactions follow a graphon."""
