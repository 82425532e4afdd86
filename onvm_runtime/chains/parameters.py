# SPDX-License-Identifier: BSD-3-Clause
"""Parameters of an NF against its JSON Schema (draft 2020-12), in sentences with keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match

from onvm_runtime.chains.problem import suggest
from onvm_runtime.chains.spec import Json


def schema_problem(schema: Mapping[str, Json]) -> str | None:
    """Why a mapping is no JSON Schema; None when it is one."""
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        return f"not a JSON Schema: {_dotted('parameters', error.absolute_path)}: {error.message}"
    return None


def parameter_problems(
    schema: Mapping[str, Json], parameters: Mapping[str, Json], key: str
) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key (below `key`) and a sentence, one for each mistake."""
    validator = Draft202012Validator(
        dict(schema), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for error in validator.iter_errors(dict(parameters)):
        yield from _sentences(_deepest(error), key)


def _deepest(error: ValidationError) -> ValidationError:
    """Of alternatives that all failed, the mistake in the likeliest one."""
    return best_match([error]) or error


def _sentences(error: ValidationError, root: str) -> Iterator[tuple[str, str]]:
    key = _dotted(root, error.absolute_path)
    rule, wanted, given = str(error.validator), _any(error.validator_value), _any(error.instance)
    if rule == "additionalProperties" and wanted is False:
        known = _any(error.schema).get("properties", {})
        for name in sorted(set(given) - set(known)):
            yield f"{key}.{name}", f"unknown parameter; {suggest(name, known)}"
    elif rule == "required":
        missing = ", ".join(repr(name) for name in wanted if name not in given)
        yield key, f"needs {missing}: add it"
    else:
        yield key, _sentence(error)


def _sentence(error: ValidationError) -> str:
    if error.context:
        return ", or ".join(dict.fromkeys(map(_sentence, error.context)))
    template = _TEMPLATES.get(str(error.validator))
    if template is None:
        return error.message
    return template.format(wanted=_words(_any(error.validator_value)), given=repr(error.instance))


def _any(value: object) -> Any:
    """jsonschema types what an error carries as possibly unset; in one it raised it never is."""
    return value


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _dotted(root: str, path: Iterable[str | int]) -> str:
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


_TEMPLATES: Mapping[str, str] = {
    "type": "{given} must be of type {wanted}",
    "enum": "{given} is none of {wanted}: write one of these",
    "const": "must be {wanted}, not {given}",
    "minimum": "{given} is too small: at least {wanted}",
    "maximum": "{given} is too large: at most {wanted}",
    "exclusiveMinimum": "{given} is too small: more than {wanted}",
    "exclusiveMaximum": "{given} is too large: less than {wanted}",
    "minItems": "has too few items: at least {wanted}",
    "maxItems": "has too many items: at most {wanted}",
    "minLength": "{given} is too short: at least {wanted} characters",
    "maxLength": "{given} is too long: at most {wanted} characters",
    "pattern": "{given} does not fit the pattern {wanted}",
    "format": "{given} is not of the form {wanted}",
    "uniqueItems": "lists an item twice: remove one",
}
