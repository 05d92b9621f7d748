"""Read the shipped mapping files. Standard fields are the same in every CRM of a vendor."""

from __future__ import annotations

from functools import cache

from include.config import files
from include.config.documents import read, validate
from include.connectors.mapping import EntityMapping, MappingDocument

CPQ = "salesforce_cpq"


@cache
def columns_of(name: str) -> dict[str, EntityMapping]:
    """Return entity -> mapping of a shipped file.

    Args:
        name: The vendor, or ``CPQ``.
    """
    return validate(read(files.shipped("config", f"mappings/{name}.yaml")), MappingDocument).entities


def cpq_properties(entity: str) -> list[str]:
    """Return the Salesforce CPQ properties that fill columns of an entity."""
    mine = columns_of(CPQ).get(entity)
    return [rule.property for rule in mine.columns.values() if "SBQQ__" in rule.property] if mine else []


def rest_of(name: str, behind: str) -> str:
    """Return the text of a shipped file from a marker on; "" if the marker is missing."""
    _, found, rest = files.shipped("config", f"mappings/{name}.yaml").read_text(encoding="utf-8").partition(behind)
    return found + rest
