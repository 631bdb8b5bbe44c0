"""The table of all settings."""

from docs.generate.markdown import code, table
from webhook_service.config.variables import OF_GUNICORN, VARIABLES, Variable


def row(variable: Variable) -> tuple[str, str, str]:
    in_words = "`" in variable.default
    return code(variable.name), variable.default if in_words else code(variable.default), variable.meaning


def the_table() -> str:
    return table(("variable", "default", "meaning"), map(row, (*VARIABLES, *OF_GUNICORN)))
