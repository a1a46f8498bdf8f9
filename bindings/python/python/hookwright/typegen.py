"""Types for the data of events, written from the JSON Schemas of a profile.

::

    python -m hookwright.typegen filedgr                        # a built-in profile
    python -m hookwright.typegen acme.toml -o acme_events.py    # one of your own
    python -m hookwright.typegen filedgr --check events.py      # in CI: is the file up to date?

What comes out is a module of `TypedDict` classes, one for each event type, for ``VerifiedWebhook[VaultCreated]``. It
imports nothing but `typing`, and it costs nothing at run time.
"""

from __future__ import annotations

import argparse
import builtins
import json
import keyword
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hookwright._errors import HookwrightError
from hookwright._native import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["generate", "main"]

_WIDTH = 120
_REFERENCE = "#/$defs/"
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def generate(profile: Profile) -> str:
    """The source of a module with the types of a profile's events."""
    module = _Module()
    names: list[tuple[str, str]] = []
    for event_type in profile.event_types:
        schema: Mapping[str, Any] = json.loads(event_type.schema) if event_type.schema is not None else {}
        name = module.reserve(_class_name(event_type.name))
        names.append((event_type.name, name))
        module.define(name, schema, f"``{event_type.name}``: {_sentence(event_type.description)}", schema)
    return module.render(profile, names)


@dataclass
class _Module:
    """The classes of a module, in the order in which they are first needed."""

    classes: list[str] = field(default_factory=list[str])
    taken: set[str] = field(default_factory=set[str])
    #: Definitions that several schemas share, by their text: what is the same gets one class.
    shared: dict[str, str] = field(default_factory=dict[str, str])

    def reserve(self, name: str) -> str:
        """The name, or with a number behind it if it is taken."""
        if hasattr(builtins, name):
            # An event type such as `system.error`.
            name = f"{name}Data"
        unique, number = name, 2
        while unique in self.taken:
            unique, number = f"{name}{number}", number + 1
        self.taken.add(unique)
        return unique

    def define(self, name: str, schema: Mapping[str, Any], doc: str, root: Mapping[str, Any]) -> None:
        """Add the type for a schema under a name."""
        schema = _merged(schema, root)
        properties: Mapping[str, Any] = schema.get("properties", {})
        if not properties:
            self.classes.append(
                "\n".join([f"{name} = {self.quoted(self.type_of(name, schema, root))}", *_doc(doc, "")])
            )
            return
        required = set(schema.get("required", ()))
        fields: list[tuple[str, str, str]] = []
        for key, value in properties.items():
            kind = self.type_of(name + _class_name(key), value, root)
            if key not in required:
                kind = f"NotRequired[{kind}]"
            fields.append((key, kind, _sentence(str(_object(value).get("description", "")))))
        if all(key.isidentifier() and not keyword.iskeyword(key) for key in properties):
            lines = [f"class {name}(TypedDict):", *_doc(doc, "    "), *([""] if doc else [])]
            for key, kind, about in fields:
                lines.append(f"    {key}: {kind}")
                lines += _doc(about, "    ")
            self.classes.append("\n".join(lines))
            return
        # Keys that Python cannot spell.
        lines = [f'{name} = TypedDict(\n    "{name}",\n    {{']
        lines += [f"        {json.dumps(key)}: {json.dumps(kind)}," for key, kind, _ in fields]
        lines += ["    },\n)", *_doc(doc, "")]
        self.classes.append("\n".join(lines))

    def type_of(self, name: str, schema: object, root: Mapping[str, Any]) -> str:
        """The type for a schema, as an annotation. Objects with known keys become classes of that name."""
        node = _object(schema)
        reference = node.get("$ref")
        if isinstance(reference, str) and "properties" not in node:
            return self.reference(reference, root)
        if "const" in node:
            return _literal([node["const"]])
        if "enum" in node:
            return _literal(node["enum"])
        for alternatives in ("anyOf", "oneOf"):
            if alternatives in node:
                return _union(self.type_of(name, each, root) for each in node[alternatives])
        kinds = node.get("type")
        if isinstance(kinds, list):
            kinds = cast("list[str]", kinds)
            return _union(self.type_of(name, {**node, "type": kind}, root) for kind in kinds)
        if kinds == "array":
            return f"list[{self.type_of(_singular(name), node.get('items'), root)}]"
        if kinds == "object" or {"properties", "allOf", "$ref"} & set(node):
            if _merged(node, root).get("properties"):
                name = self.reserve(name)
                self.define(name, node, _sentence(node.get("description", "")), root)
                return name
            return f"dict[str, {self.type_of(name, node.get('additionalProperties'), root)}]"
        return _SCALARS.get(str(kinds), "Any")

    def reference(self, reference: str, root: Mapping[str, Any]) -> str:
        """The class of a definition, which several schemas may share."""
        if not reference.startswith(_REFERENCE):
            return "Any"
        key = reference.removeprefix(_REFERENCE)
        definition = _object(root.get("$defs", {}).get(key))
        if not definition:
            return "Any"
        if not _merged(definition, root).get("properties"):
            return self.type_of(_class_name(key), definition, root)
        identity = f"{key}:{json.dumps(definition, sort_keys=True)}"
        if identity not in self.shared:
            # Noted before it is defined, because a definition may refer to itself.
            self.shared[identity] = self.reserve(_class_name(key))
            about = _sentence(str(definition.get("description", "")))
            self.define(self.shared[identity], definition, about, root)
        return self.shared[identity]

    @staticmethod
    def quoted(kind: str) -> str:
        """A type where it is evaluated and may not be defined yet."""
        return (
            kind if re.fullmatch(r"dict\[str, (Any|str|int|float|bool)\]|Any|str|int|float|bool", kind) else repr(kind)
        )

    def render(self, profile: Profile, names: Sequence[tuple[str, str]]) -> str:
        """The whole module."""
        body = "\n\n\n".join(self.classes)
        names_used = [
            name for name in ("Any", "Literal", "TypedDict") if name == "Literal" or re.search(rf"\b{name}\b", body)
        ]
        needs_not_required = "NotRequired[" in body
        if needs_not_required:
            names_used.insert(0, "TYPE_CHECKING")
        lines = [
            f'"""The data of {profile.title}\'s events.',
            "",
            f"Written by ``python -m hookwright.typegen {profile.name}``; do not edit.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            f"from typing import {', '.join(names_used)}",
            "",
        ]
        if needs_not_required:
            lines += [
                "if TYPE_CHECKING:",
                "    # In `typing` from Python 3.11 on; type checkers have it for all.",
                "    from typing_extensions import NotRequired",
                "",
            ]
        exported = sorted({"EventName", *(name for _, name in names)})
        lines += ["__all__ = [", *(f'    "{name}",' for name in exported), "]", ""]
        lines += ["EventName = Literal[", *(f'    "{event}",' for event, _ in names), "]"]
        lines += ['"""The names of all event types."""', "", "", ""]
        return "\n".join(lines) + body + "\n"


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with the keys of everything that it says must hold as well."""
    if "$ref" not in schema and "allOf" not in schema:
        return schema
    own = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
    parts: list[Mapping[str, Any]] = [*schema.get("allOf", ())]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        parts.insert(0, _object(root.get("$defs", {}).get(reference.removeprefix(_REFERENCE))))
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in (*parts, own):
        flat = _merged(part, root)
        merged.update(flat)
        properties.update(flat.get("properties", {}))
        required.extend(flat.get("required", ()))
    return {**merged, "properties": properties, "required": required}


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else, such as the schema `true`."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _class_name(text: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word[:1].upper() + word[1:] for word in words) or "Data"
    return f"_{name}" if name[0].isdigit() else name


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else f"{name}Item"


def _literal(values: Iterable[object]) -> str:
    simple = [value for value in values if value is None or isinstance(value, (str, int, bool))]
    if not simple:
        return "Any"
    return f"Literal[{', '.join('None' if value is None else _constant(value) for value in simple)}]"


def _constant(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _union(kinds: Iterable[str]) -> str:
    unique = list(dict.fromkeys(kinds))
    return "Any" if "Any" in unique or not unique else " | ".join(unique)


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _doc(text: str, indent: str) -> list[str]:
    """A docstring, in as many lines as it needs."""
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    if not text:
        return []
    if len(indent) + len(text) + 6 <= _WIDTH:
        return [f'{indent}"""{text}"""']
    first, *rest = textwrap.wrap(text, _WIDTH - len(indent) - 3)
    return [f'{indent}"""{first}', *(f"{indent}{line}" for line in rest), f'{indent}"""']


def _profile(name: str) -> Profile:
    if name in Profile.builtin_names():
        return Profile.builtin(name)
    path = Path(name)
    text = path.read_text(encoding="utf-8")
    return Profile.from_json(text) if path.suffix == ".json" else Profile.from_toml(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m hookwright.typegen", description="Types for the events of a profile."
    )
    parser.add_argument("profile", help="the name of a built-in profile, or the file of one (TOML, JSON)")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("-o", "--output", type=Path, help="where to write; default: standard output")
    target.add_argument("--check", type=Path, metavar="FILE", help="write nothing; fail if FILE is out of date")
    chosen = parser.parse_args(arguments)
    try:
        source = generate(_profile(chosen.profile))
    except (HookwrightError, OSError) as error:
        print(f"{chosen.profile}: {error}", file=sys.stderr)
        return 2
    if chosen.check is not None:
        if chosen.check.is_file() and chosen.check.read_text(encoding="utf-8") == source:
            return 0
        print(
            f"{chosen.check} is out of date: python -m hookwright.typegen {chosen.profile} -o {chosen.check}",
            file=sys.stderr,
        )
        return 1
    if chosen.output is not None:
        chosen.output.write_text(source, encoding="utf-8")
    else:
        sys.stdout.write(source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
