"""What Kubernetes rejects of a custom resource, by the schema of its definition, with strict field validation.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["problems", "schema_of"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
# What the server knows of each object, which the definitions of KServe leave out.
_METADATA = {"name", "namespace", "labels", "annotations"}


def schema_of(definition: Mapping[str, Any], version: str) -> Mapping[str, Any]:
    """The schema of one version of a CustomResourceDefinition."""
    (found,) = (each for each in definition["spec"]["versions"] if each["name"] == version)
    schema: Mapping[str, Any] = found["schema"]["openAPIV3Schema"]
    return schema


def problems(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is wrong with a value."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{path}: neither an integer nor a string"
    elif "type" in schema and (
        not isinstance(value, _TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean")
    ):
        yield f"{path}: not of the type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{path}: too few items"
        for index, item in enumerate(value):
            yield from problems(item, schema["items"], f"{path}[{index}]")
    if isinstance(value, dict):
        yield from _problems_of_fields(value, schema, path)


def _problems_of_fields(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value)
    for name, field in value.items():
        if name in schema.get("properties", {}):
            yield from problems(field, schema["properties"][name], f"{path}.{name}")
        elif "additionalProperties" in schema:
            yield from problems(field, schema["additionalProperties"], f"{path}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields") and not (path == ".metadata" and name in _METADATA):
            yield f"{path}.{name}: unknown field"
