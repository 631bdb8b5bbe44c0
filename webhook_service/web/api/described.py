"""Fields of the admin API's responses, with the descriptions and examples for its OpenAPI document."""

from typing import Any

from marshmallow import fields, validate

JANE = "7d9c1a52-5a0e-4c5b-9f3a-2f6d0c1b8e11"
NOON = "2026-11-22T12:00:00.250000+00:00"
"""JANE and NOON are the auth user and the time in the examples."""


def described(description: str, example: Any = None) -> dict[str, Any]:
    """Return the metadata of a field: its description and an example."""
    return {"description": description} | ({} if example is None else {"examples": [example]})


def text(description: str, example: str | None = None, **options: Any) -> fields.String:
    """Return a field with a text."""
    return fields.String(metadata=described(description, example), **options)


def number(description: str, example: int | None = None, **options: Any) -> fields.Integer:
    """Return a field with a 64-bit integer."""
    return fields.Integer(strict=True, metadata=described(description, example) | {"format": "int64"}, **options)


def moment(description: str, example: str | None = NOON, **options: Any) -> fields.DateTime:
    """Return a required field with a time in ISO 8601. With `allow_none`, the time can be null."""
    return fields.DateTime(format="iso", required=True, metadata=described(description, example), **options)


def one_of(values: tuple[str, ...], description: str, example: str | None = None, **options: Any) -> fields.String:
    """Return a field with one of the texts in `values`."""
    return text(description, example, validate=validate.OneOf([str(value) for value in values]), **options)
