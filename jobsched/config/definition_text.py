"""A job's definition as people read it: the YAML that would declare it."""

from typing import Any

import yaml


class _Writer(yaml.SafeDumper):
    """Texts of several lines stand as such."""


def _text(writer: yaml.SafeDumper, text: str) -> yaml.Node:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _text)


def as_yaml(definition: dict[str, Any]) -> str:
    """A field a line, but for what has lines of its own."""
    return "".join(_field(name, value) for name, value in definition.items())


def _field(name: str, value: Any) -> str:
    parts = value if isinstance(value, list) else [value]
    in_one_line = isinstance(value, list | dict) and not any("\n" in str(part) for part in parts)
    return yaml.dump(
        {name: value},
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
        # None: what holds only plain values goes into the line of its name.
        default_flow_style=None if in_one_line else False,
    )
