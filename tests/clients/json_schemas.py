"""Holds the JSON Schemas of the configuration files against files: python json_schemas.py [BINARY COLLECTOR]

The schemas are sound, take the sample organisation and the examples of `json_schemas_cases`, and refuse them
with any one damage. With the binary and the address of a running collector, the product says to each of these
files the same, and names the same keys and words as the schema. Prints how many files were compared.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request

import jsonschema
import yaml

import json_schemas_cases as cases

ROOT = pathlib.Path(__file__).parents[2]
DEMO = ROOT / "deploy/demo"
BUNDLE = ROOT / "services/modellane-judge/fixtures/policy/2026.11.1"
NAMES = ["directory", "prices", "finance", "bundle", "policy-tests", "intent", "modellane"]
UNKNOWN = "no_such_key"


class Yaml12(yaml.SafeLoader):
    """YAML 1.2 as the product reads it: a day is a text, `no` is a text, and a doubled key is an error."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key) for key, _ in node.value]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a doubled key", node.start_mark)
        return super().construct_mapping(node, deep)


for tag, pattern, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
]:
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)


def read(name, text):
    if name == "intent":
        return json.loads(text)
    return tomllib.loads(text) if name == "modellane" else yaml.load(text, Yaml12)


def toml(value):
    """A value on one line; what JSON writes of the others is TOML as well."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Schemas:
    def __init__(self):
        self.by_name, self.validators = {}, {}
        for name in NAMES:
            schema = json.loads((ROOT / f"schemas/json/{name}.schema.json").read_text())
            validator = jsonschema.validators.validator_for(schema, default=None)
            assert validator is jsonschema.Draft202012Validator, f"{name}: draft 2020-12"
            validator.check_schema(schema)
            assert schema["$id"] == f"{name}.schema.json" and schema["title"] and schema["description"], name
            self.by_name[name] = schema
            self.validators[name] = validator(schema, format_checker=validator.FORMAT_CHECKER)
        shared = {}
        for name, schema in self.by_name.items():
            for key, part in schema.get("$defs", {}).items():
                assert shared.setdefault(key, part) == part, f"{name}: {key} differs from that of another file"
        written = {path.name for path in (ROOT / "schemas/json").iterdir()}
        assert written == {f"{name}.schema.json" for name in NAMES}, written

    def takes(self, name, document):
        return self.validators[name].is_valid(document)

    def resolved(self, name, part):
        if "$ref" not in part:
            return part
        target = self.by_name[name]["$defs"][part["$ref"].removeprefix("#/$defs/")]
        return {**self.resolved(name, target), **{key: value for key, value in part.items() if key != "$ref"}}

    def parts(self, name, document):
        """Every value of a document that a part of the schema speaks of: its path, itself, and that part."""

        def walk(part, value, path):
            part = self.resolved(name, part)
            yield path, value, part
            if isinstance(value, dict):
                for key, item in value.items():
                    inner = part.get("properties", {}).get(key, part.get("additionalProperties"))
                    if isinstance(inner, dict):
                        yield from walk(inner, item, [*path, key])
            elif isinstance(value, list) and "items" in part:
                for number, item in enumerate(value):
                    yield from walk(part["items"], item, [*path, number])

        return walk(self.by_name[name], document, [])

    def described(self, name):
        """Keys of the schema without a description, and tables that do not say whether they are closed."""

        def walk(part, path):
            for key, inner in part.get("properties", {}).items():
                resolved = self.resolved(name, inner)
                if not resolved.get("description"):
                    yield f"{name}: {path}{key} has no description"
                yield from walk(resolved, f"{path}{key}.")
            if "items" in part:
                yield from walk(self.resolved(name, part["items"]), path)
            if "properties" in part and "additionalProperties" not in part and name != "intent":
                yield f"{name}: {path} does not say whether other keys are refused"

        return walk(self.by_name[name], "")


class Product:
    """What the product says to a file."""

    def __init__(self, binary, collector):
        self.binary, self.collector = binary, collector

    def problems(self, name, document):
        """All problems with this file, none if the product takes it."""
        if name == "modellane":
            return self._checked(document)
        text = json.dumps(document, ensure_ascii=False)
        if name == "intent":
            return self._answer("POST", "intents", text)
        if name in ("directory", "prices", "finance"):
            return self._answer("PUT", name, text)
        if name == "bundle":
            files = {"bundle.yaml": text, "rules.cedar": cases.RULES}
        else:
            files = {**cases.TESTED, "tests.yaml": text}
        return self._answer("PUT", "policy", json.dumps(files))

    def _answer(self, method, path, text):
        request = urllib.request.Request(f"http://{self.collector}/v1/{path}", text.encode(), method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                answer.read()
                return []
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
            assert error.code in (400, 422), said
            return said.get("problems") or [json.dumps(said)]

    def _checked(self, document):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MODELLANE__")}
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.writelines(f"{key} = {toml(value)}\n" for key, value in document.items())
            file.flush()
            command = [self.binary, "--config", file.name, "config", "check"]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        return [] if ended.returncode == 0 else [ended.stderr]


def changed(document, path, value):
    document = copy.deepcopy(document)
    if not path:
        return value
    at = document
    for step in path[:-1]:
        at = at[step]
    if value is cases.REMOVED:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def damages(name, schemas, document):
    """Every single damage that needs no knowledge of the file: path, new value, and what the product lists of it."""
    for path, value, part in schemas.parts(name, document):
        types = part.get("type", [])
        types = {types} if isinstance(types, str) else set(types)
        if path:
            yield path, "a text" if types and types <= {"object", "array", "null"} else {"a": "mapping"}, None
        # An intent's other keys are passed over.
        if isinstance(value, dict) and name != "intent":
            yield [*path, UNKNOWN], 1, set(part["properties"]) if part.get("additionalProperties") is False else None
        if "enum" in part:
            yield path, "no_such_word", {word for word in part["enum"] if word is not None}
        if "minimum" in part and "integer" in types:
            yield path, part["minimum"] - 1, None
        if "maximum" in part and "integer" in types:
            yield path, part["maximum"] + 1, None


def place(path):
    """A path without the numbers of entries."""
    return ".".join(step for step in path if isinstance(step, str))


def listed(problems):
    """The keys or words that the product names in place of an unknown one."""
    found = re.search(r"(?:known are|known here:|must be one of|expected one of|knows) ([\w, .-]+)", problems[0])
    return set(re.sub(r" \(from .*", "", found[1].strip()).split(", ")) if found else None


class Comparison:
    def __init__(self, schemas, product):
        self.schemas, self.product = schemas, product
        self.files, self.said, self.wrong = 0, 0, []

    def check(self, name, document, what, schema, product, words=None):
        """A file that the schema and the product take, or do not; None asks the product nothing."""
        self.files += 1
        if self.schemas.takes(name, document) != schema:
            self.wrong.append(f"{name}: {what}: the schema {'refuses' if schema else 'takes'} it")
        if self.product is None or product is None:
            return
        self.said += 1
        problems = self.product.problems(name, document)
        if (not problems) != product:
            self.wrong.append(f"{name}: {what}: the product {problems or 'takes it'}")
        elif words and listed(problems) != words:
            self.wrong.append(f"{name}: {what}: the product lists {listed(problems)}, the schema {words}")

    def damage(self, name, document, seen, asked):
        """Damages each kind of place, once in all examples, as entries of one list are alike."""
        for path, value, words in damages(name, self.schemas, document):
            if (place(path), str(value)) not in seen:
                seen.add((place(path), str(value)))
                product = None if asked is None or place(path) in cases.NOT_ASKED else False
                self.check(name, changed(document, path, value), f"{place(path)} = {value}", False, product, words)

    def leave_out(self, name, document, seen, asked):
        """Takes each key out: the schema and the product miss those that must be there, and no other."""
        for path, _, _ in self.schemas.parts(name, document):
            if not path or isinstance(path[-1], int) or place(path) in seen | cases.CONDITIONAL:
                continue
            seen.add(place(path))
            needed = place(path) in cases.REQUIRED[name]
            # TOML has no null.
            for value in (cases.REMOVED, None) if name != "modellane" else (cases.REMOVED,):
                left = changed(document, path, value)
                taken = not needed and (value is cases.REMOVED or place(path) not in cases.NOT_NULL)
                self.check(name, left, f"without {place(path)}", taken, None)
                # That null is absent the product reads in one place; `BOTH_TAKE` has it for each file.
                if self.product is None or asked is None or value is None and not needed:
                    continue
                self.said += 1
                # What refers to it may be a problem of its own.
                problems = self.product.problems(name, left)
                if any(re.search(r"is missing|missing key|missing_field", problem) for problem in problems) != needed:
                    self.wrong.append(f"{name}: without {place(path)}: the product {problems or 'takes it'}")


def keys(name, schemas):
    """Every key that the schema speaks of, with its path."""

    def walk(part, path):
        part = schemas.resolved(name, part)
        for key, inner in part.get("properties", {}).items():
            yield f"{path}{key}"
            yield from walk(inner, f"{path}{key}.")
        if "items" in part:
            yield from walk(part["items"], path)

    return set(walk(schemas.by_name[name], ""))


def used(document, path=""):
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{path}{key}"
            yield from used(value, f"{path}{key}.")
    elif isinstance(document, list):
        for item in document:
            yield from used(item, path)


def samples():
    """The files of the sample organisation, and the configuration that README.md shows."""
    for name in ("directory", "prices", "finance"):
        yield name, (DEMO / f"{name}.yaml").read_text()
    for folder in [*(DEMO / "policy").iterdir(), BUNDLE]:
        yield "bundle", (folder / "bundle.yaml").read_text()
        yield "policy-tests", (folder / "tests.yaml").read_text()
    for line in (DEMO / "intents.ndjson").read_text().splitlines():
        yield "intent", line
    yield "modellane", re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]


def main():
    schemas = Schemas()
    comparison = Comparison(schemas, Product(*sys.argv[1:]) if len(sys.argv) > 1 else None)
    found = {name: 0 for name in NAMES}
    for name, text in samples():
        # Whether the product takes the sample organisation, the demo shows.
        comparison.check(name, read(name, text), "a sample", True, None)
        found[name] += 1
    assert all(found.values()), found
    for name in NAMES:
        comparison.wrong.extend(schemas.described(name))
        seen, left_out, examples = set(), set(), [read(name, text) for text in cases.EXAMPLES[name]]
        for number, document in enumerate(examples):
            asked = None if name == "modellane" and number > 0 else True
            comparison.check(name, document, f"example {number}", True, asked)
            comparison.damage(name, document, seen, asked)
            comparison.leave_out(name, document, left_out, asked)
        unused = keys(name, schemas).difference(*map(used, examples))
        comparison.wrong.extend(f"{name}: no example has {key}" for key in sorted(unused))
        for schema, product, changes in cases.CHANGES:
            for path, value in changes.get(name, []):
                steps = [int(step) if step.isdigit() else step for step in path.split(".")] if path else []
                document = changed(examples[0], steps, value)
                comparison.check(name, document, f"{path} = {value}", schema, product)
    if comparison.wrong:
        sys.exit("\n".join(comparison.wrong))
    print(f"{len(NAMES)} schemas, {comparison.files} files, {comparison.said} of them put to the product")


if __name__ == "__main__":
    main()
