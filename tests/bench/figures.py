"""What the benchmarks share: build/bench.json, the table they print, and the guest program that
measures exits."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

FIGURES = ROOT / "build/bench.json"

# tests/guest/bench.c as the only guest, and what it says.
PROGRAM = ROOT / "build/guest/bench.elf"
CONFIG = """
guests:
  - name: bench
    cpus: {count: 1}
    memory: 256 MiB
    boot: {kernel: "esp:/bench.elf"}
    debug_exit: true
"""


def results(text):
    return {name: int(value) for name, value in re.findall(r"BENCH (\w+) (\d+)", text)}


def record(name, value, unit, how, limit=None):
    """Adds a figure, replacing one of the same name, and prints its line. `limit`: what the
    figure is meant to be at most; shown, not enforced."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures[name] = {"value": value, "unit": unit, "how": how}
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    verdict = "" if limit is None else f"  (aim: at most {limit})"
    print(f"  {name:34} {value:>12} {unit:14}{verdict}", flush=True)
