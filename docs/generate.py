"""Writes what the configuration's models say of themselves: the reference for people, the JSON Schema for editors.

python -m docs.generate
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.config.model import Configuration

Schema = dict[str, Any]

FOLDER = Path(__file__).parent

EXAMPLE = """\
agent:
  name: paris-dc1

paths:
  expressroute:
    kind: expressroute
    source: 10.20.0.10               # packets from this address are routed over the circuit
    rate: 1Gbit
    proof:                           # the peering prefixes of the two Microsoft edge links
      primary: 192.168.11.16/30
      secondary: 192.168.11.20/30
  vpn:
    kind: vpn
    source: 10.20.1.10
    rate: 650Mbit
    proof:
      absent: [192.168.11.16/30, 192.168.11.20/30]

targets:
  azure-hub:
    address: 10.1.0.4

probes:
  - name: stamp
    stamp: {size: 128}
    interval: 100ms
    targets: [azure-hub]
    paths: [expressroute, vpn]       # probed in pairs, in the same slot
  - name: ping
    icmp: {}
    targets: [azure-hub]

reflector:                           # answer the agent at the far side
  stamp: {allow: [10.1.0.0/16]}

history:
  keep: 35d                          # every sample, in /var/lib/eragent

comparisons:
  - baseline: vpn
    candidate: expressroute
    probe: stamp
    margin: 1ms
"""

_HEAD = """\
# Configuration

<!-- Made by `python -m docs.generate` from agent/config/model.py: change it there. -->

One YAML file, by default `/etc/eragent/eragent.yaml`. `eragent check` names every mistake in it with its line.
Editors complete and check it with [eragent.schema.json](eragent.schema.json).

```yaml
{example}```

Durations are written `500us`, `100ms`, `2s`, `1m`, `1h`; rates `10kbit`, `650Mbit`, `1Gbit` (decimal); DSCP as a
number or as `be`, `cs0` to `cs7`, `af11` to `af43`, `ef`, `va`. Names of agents, paths, targets and probes are 1 to 63
letters, digits, `.`, `_` or `-`. Unknown keys are refused, and so is text that YAML reads as something else than it
looks like (`no`, `12:30`, `1e3`, `0777`): put it in quotes.
"""


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of the configuration file."""
    generated: Schema = _without_noise(Configuration.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of eragent"}
    return head | generated


def reference() -> str:
    """Return the reference of all keys, in Markdown."""
    schema = json_schema()
    sections = "".join(_section(key, section, schema) for key, section in _sections("", schema, schema))
    return _HEAD.format(example=EXAMPLE) + sections


def outputs() -> Mapping[Path, str]:
    """Return every generated file with its contents."""
    return {
        FOLDER / "configuration.md": reference(),
        FOLDER / "eragent.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def _without_noise(schema: Any) -> Any:
    """Drop what pydantic says and no file can: null values, titles made of keys; say that mappings hold names only."""
    if isinstance(schema, list):
        return [_without_noise(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema = {key: value for key, value in schema.items() if key != "anyOf"} | options[0]
    if "patternProperties" in schema:
        schema = {"additionalProperties": False} | schema
    return {key: _cleaned(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def _cleaned(key: str, value: Any) -> Any:
    if key in {"properties", "$defs", "patternProperties"}:
        return {name: _without_noise(part) for name, part in value.items()}
    if key == "description":
        return " ".join(value.split())
    return value if key in {"default", "examples", "enum"} else _without_noise(value)


def _is_noise(key: str, value: Any) -> bool:
    return key in {"title", "propertyNames"} or (key == "default" and value in (None, {"name": None}))


def _sections(key: str, section: Schema, root: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each mapping of the file with the way to it, from the outside in."""
    yield key, section
    for name, value in section["properties"].items():
        inner, way = _inner(value, f"{key}.{name}".lstrip("."), root)
        if inner is not None:
            yield from _sections(way, inner, root)


def _inner(value: Schema, way: str, root: Schema) -> tuple[Schema | None, str]:
    if "$ref" in value:
        section: Schema = root["$defs"][value["$ref"].rpartition("/")[2]]
        return section, way
    if "items" in value:
        return _inner(value["items"], f"{way}[]", root)
    if "patternProperties" in value:
        (named,) = value["patternProperties"].values()
        return _inner(named, f"{way}.<name>", root)
    return None, way


def _section(key: str, section: Schema, root: Schema) -> str:
    required = section.get("required", [])
    rows = "".join(_row(name, value, name in required, root) for name, value in section["properties"].items())
    if isinstance(section.get("additionalProperties"), dict):
        rows += _row("<name>", section["additionalProperties"] | {"description": "A network by name."}, False, root)
    title = f"`{key}`" if key else "The file"
    table = f"| key | value | default | meaning |\n|---|---|---|---|\n{rows}"
    return f"\n## {title}\n\n{section['description']}\n\n{table}"


def _row(name: str, value: Schema, required: bool, root: Schema) -> str:
    default = "required" if required else _default(value.get("default"))
    cells = (f"`{name}`", _values(value, root), default, value["description"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(value: Any) -> str:
    if value in (None, {}, []):
        return "none"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`".replace('"', "")


def _values(value: Schema, root: Schema) -> str:
    if _inner(value, "", root)[0] is not None:
        return "list of mappings" if "items" in value else "mappings by name" if "$ref" not in value else "mapping"
    if "items" in value:
        return f"list: {_values(value['items'], root)}"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if "minimum" in value:
        return f"{value['minimum']} to {value['maximum']}"
    if "examples" in value:
        return "for example " + ", ".join(f"`{example}`" for example in value["examples"])
    if "oneOf" in value:
        return _values(value["oneOf"][0], root)
    return {"boolean": "`true`, `false`"}.get(value["type"], "name")


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
