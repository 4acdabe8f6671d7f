"""What a value may be: how pydantic's core checks it, and how the JSON Schema shows it, stated in one place.

The core alone, since importing the rest of pydantic, and building its models, would cost more than all that
`jobsched validate` does.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Optional

from pydantic_core import CoreConfig, CoreSchema, SchemaValidator
from pydantic_core import core_schema as core

#: Nothing is converted on the way, and no pattern can be made slow by what it is matched with.
_CONFIG = CoreConfig(strict=True, regex_engine="rust-regex")


class Kind(NamedTuple):
    """A kind of value. `group`: what a mapping is checked against, where it has keys of ours; `each`: what each value of
    one is, where its keys are the user's own.
    """

    check: CoreSchema
    shown: Mapping[str, Any]
    group: Optional["Group"] = None
    each: Optional["Group"] = None


class Field(NamedTuple):
    """A key of a group: what its value may be, and what it means."""

    kind: Kind
    description: str
    required: bool = False


class Group:
    """A mapping of these fields and no others; `name` is its name in the JSON Schema, `rules` what that adds."""

    def __init__(self, name: str, description: str, rules: Mapping[str, Any] | None = None, /, **fields: Field) -> None:
        self.name, self.fields = name, fields
        self._checks: dict[str, Callable[[Any], Any]] = {}
        self._description, self._rules = description, rules or {}

    def __call__(self, value: Any) -> dict[str, Any]:
        """The checked values of the fields that were given. Raises pydantic's ValidationError."""
        checked: dict[str, Any] = self._validator.validate_python(value)
        return checked

    def check_of(self, field: str) -> Callable[[Any], Any]:
        """Checks the value of one of its fields as if nothing else were given. Raises pydantic's ValidationError."""
        check = self._checks.get(field)
        if check is None:
            check = self._checks[field] = SchemaValidator(self.fields[field].kind.check, _CONFIG).validate_python
        return check

    @cached_property
    def kind(self) -> Kind:
        fields = {
            name: core.typed_dict_field(field.kind.check, required=field.required)
            for name, field in self.fields.items()
        }
        check = core.typed_dict_schema(fields, extra_behavior="forbid", config=_CONFIG)
        return Kind(check, {"$ref": f"#/$defs/{self.name}"}, self)

    @cached_property
    def _validator(self) -> SchemaValidator:
        return SchemaValidator(self.kind.check)

    def shown(self) -> dict[str, Any]:
        """The JSON Schema of the mapping."""
        properties = {
            name: {**field.kind.shown, "description": field.description} for name, field in self.fields.items()
        }
        required = [name for name, field in self.fields.items() if field.required]
        return {
            "type": "object",
            "description": self._description,
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required else {}),
            **self._rules,
        }


def may(kind: Kind, description: str) -> Field:
    """A field that may be left out."""
    return Field(kind, description)


def must(kind: Kind, description: str) -> Field:
    """A field that is there."""
    return Field(kind, description, required=True)


# -- values


def text(*, least: int | None = None, most: int | None = None, pattern: str | None = None) -> Kind:
    """A text of so many characters."""
    shown = _without_none(type="string", minLength=least, maxLength=most, pattern=pattern)
    return Kind(core.str_schema(min_length=least, max_length=most, pattern=pattern), shown)


def integer(least: int, most: int) -> Kind:
    return Kind(core.int_schema(ge=least, le=most), {"type": "integer", "minimum": least, "maximum": most})


def number(least: int, most: int) -> Kind:
    check = core.float_schema(ge=least, le=most, allow_inf_nan=False)
    return Kind(check, {"type": "number", "minimum": least, "maximum": most})


def boolean() -> Kind:
    return Kind(core.bool_schema(), {"type": "boolean"})


def one_of(*choices: str | int) -> Kind:
    listed: dict[str, Any] = {"const": choices[0]} if len(choices) == 1 else {"enum": list(choices)}
    named = {"type": "string" if isinstance(choices[0], str) else "integer"}
    return Kind(core.literal_schema(list(choices)), {**named, **listed})


def anything() -> Kind:
    """Any value that JSON has."""
    return Kind(core.any_schema(), {})


def list_of(kind: Kind, *, least: int | None = None, most: int | None = None) -> Kind:
    shown = _without_none(type="array", items=kind.shown, minItems=least, maxItems=most)
    return Kind(core.list_schema(kind.check, min_length=least, max_length=most), shown)


def mapping(keys: Kind, values: Kind) -> Kind:
    """A mapping of the user's own keys, which are texts."""
    shown: dict[str, Any] = {"type": "object"}
    if "pattern" in keys.shown:
        shown |= {"patternProperties": {keys.shown["pattern"]: values.shown}, "additionalProperties": False}
    else:
        shown["additionalProperties"] = values.shown or True
    if "maxLength" in keys.shown:
        shown["propertyNames"] = {"maxLength": keys.shown["maxLength"]}
    return Kind(core.dict_schema(keys.check, values.check), shown, each=values.group)


# -- what our own functions have a say in


def made_by(function: Callable[[Any], Any], shown: Mapping[str, Any]) -> Kind:
    """What the function makes of a value, or refuses by `wrong`."""
    return Kind(core.no_info_plain_validator_function(function), shown)


def before(function: Callable[[Any], Any], kind: Kind, *also: Kind) -> Kind:
    """A value that the function may turn, or refuse, before it is checked; `also`: what may stand there instead."""
    choices: list[Mapping[str, Any]] = []
    for each in (*also, kind):
        if each.shown not in choices:
            choices.append(each.shown)
    shown = {"anyOf": choices} if also else kind.shown
    return Kind(core.no_info_before_validator_function(function, kind.check), shown, kind.group, kind.each)


def after(function: Callable[[Any], Any], kind: Kind) -> Kind:
    """A checked value that the function has the last word on."""
    return Kind(core.no_info_after_validator_function(function, kind.check), kind.shown, kind.group, kind.each)


def or_none(kind: Kind) -> Kind:
    """A value that a function before it may have turned into None."""
    return Kind(core.nullable_schema(kind.check), kind.shown, kind.group, kind.each)


def _without_none(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}
