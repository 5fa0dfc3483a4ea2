"""Agents on a graph whose transitions depend on their neighbours."""
