"""What the writers of guests/views make of sample views, read by others' parsers: JSON by Python's,
metrics by promtool and by a reader of its format below; and docs/counters.md, made of the tables."""

import decimal
import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build/viewtool"
PROMTOOL = ROOT / "build/promtool"
DOCS = ROOT / "docs/counters.md"
GENERATED = "<!-- made by: build/viewtool docs -->\n"

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"'
SAMPLE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? ([0-9.]+)")
HOSTILE = pytest.mark.parametrize("more", [[], ["hostile"]], ids=["plain", "hostile"])


def viewtool(*words):
    return subprocess.run([TOOL, *words], check=True, stdout=subprocess.PIPE).stdout


def fields():
    """Of each field: its path as a list, kind, unit, and the metric's name or an empty text."""
    for line in viewtool("names").decode().splitlines():
        path, kind, unit, metric = line.split("|")
        yield path.split("."), kind, unit, metric


def at(value, path):
    """All values at a path of a document, through lists."""
    if isinstance(value, list):
        return [found for each in value for found in at(each, path)]
    return at(value[path[0]], path[1:]) if path else [value]


def unescaped(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def samples(text):
    """The samples by family: lists of labels, a dictionary, and value. Fails where the text is not
    as the exposition format says, or a family is in two places, or a sample there twice."""
    families, family, seen = {}, None, set()
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in families, "one HELP for each family"
            families[family] = []
        elif line.startswith("# TYPE "):
            assert line in (f"# TYPE {family} counter", f"# TYPE {family} gauge")
            assert not families[family] and line.endswith("counter") == family.endswith("_total")
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match[1] == family, line
            labels = {key: unescaped(value) for key, value in
                      re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")}
            assert line.rsplit(" ", 1)[0] not in seen, f"twice: {line}"
            seen.add(line.rsplit(" ", 1)[0])
            families[family].append((labels, decimal.Decimal(match[3])))
    return families


@HOSTILE
def test_every_field_is_in_json(more):
    document = json.loads(viewtool("json", *more).decode("utf-8", "strict"))
    for path, kind, unit, _ in fields():
        values = at(document, path)
        assert values, path
        if kind in ("rows",):
            continue
        if kind in ("label", "information", "note", "state"):
            assert all(isinstance(value, (str, int)) for value in values), path
        elif unit == "yes or no":
            assert all(isinstance(value, bool) for value in values), path
        elif isinstance(values[0], dict):
            assert all(isinstance(count, int) for each in values for count in each.values())
        else:
            assert all(type(value) is int for value in values), path
    assert at(document, ["machine", "cpus"]) == [2**64 - 1], "exact to 64 bits"


@HOSTILE
def test_metrics_say_what_json_does(more):
    document = json.loads(viewtool("json", *more))
    families = samples(viewtool("metrics", *more).decode("utf-8", "strict"))
    metrics = {metric for *_, metric in fields() if metric}
    assert set(families) == metrics
    for path, kind, unit, metric in fields():
        if not metric:
            continue
        values = at(document, path)
        found = families[metric]
        if kind == "information":
            assert [labels[path[-1]] for labels, _ in found] == values
            assert all(value == 1 for _, value in found)
        elif kind == "state":
            assert [labels["state"] for labels, value in found if value] == values
            assert len(found) > len(values)
        elif isinstance(values[0], dict):
            assert [value for _, value in found] == [
                count for each in values for count in each.values()]
            names = [name for each in values for name in each]
            assert [name for labels, _ in found for name in labels.values()
                    if name in names] == names
        else:
            scale = decimal.Decimal("1e-9") if unit == "ns" else 1
            decimal.getcontext().prec = 30
            assert [value for _, value in found] == [int(value) * scale for value in values]


@HOSTILE
def test_promtool_has_nothing_to_complain_about(more):
    said = subprocess.run([PROMTOOL, "check", "metrics"], input=viewtool("metrics", *more),
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (said.returncode, said.stdout) == (0, b"")


def test_promtool_can_complain():
    said = subprocess.run([PROMTOOL, "check", "metrics"], check=False, stderr=subprocess.PIPE,
                          input=viewtool("metrics").replace(b"_total", b"_all"))
    assert said.returncode == 3 and b"_total" in said.stderr


def test_words_are_numbers_and_states():
    for line in viewtool("words").decode().splitlines():
        for word in line.split(" ")[1:]:
            assert re.fullmatch(r"[a-z_]+(\.[a-z0-9_-]+)?=([0-9]+|[a-z-]+)", word), line


def test_the_document_is_made_of_the_tables():
    text = DOCS.read_text(encoding="utf-8")
    assert text.split(GENERATED)[1] == viewtool("docs").decode(), (
        f"build/viewtool docs says otherwise than {DOCS}")
