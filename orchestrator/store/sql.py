"""Texts and names inside a SQL statement."""


def sql_text(value: str) -> str:
    """``value`` as a SQL string."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(value: str) -> str:
    """``value`` as a SQL identifier."""
    return '"' + value.replace('"', '""') + '"'
