"""The last line of a test run counts what ran, and nothing that failed is counted as passed."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def outcome(*words):
    """Exit status and last line of tools/test/run."""
    done = subprocess.run([ROOT / "tools/test/run", *words], text=True, stdout=subprocess.PIPE,
                          check=False)
    return done.returncode, done.stdout.splitlines()[-1]


def program(directory, name, text, status=0):
    path = directory / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_all_pass(tmp_path):
    one = program(tmp_path, "one", "1..2\nok 1 - a\nok 2 - b")
    two = program(tmp_path, "two", "1..2\nok 1 - c\nok 2 - d # SKIP")
    assert outcome("--unit", one, two) == (0, "3 passed, 0 failed, 1 skipped")


def test_a_failure_is_counted(tmp_path):
    one = program(tmp_path, "one", "1..2\nok 1 - a\nnot ok 2 - b", status=1)
    assert outcome("--unit", one) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_sanitizer_after_the_last_test_is_a_failure(tmp_path):
    one = program(tmp_path, "one", "1..1\nok 1 - a\nERROR: LeakSanitizer", status=23)
    assert outcome("--unit", one) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_program_without_tests_is_a_failure(tmp_path):
    assert outcome("--unit", program(tmp_path, "one", "")) == (1, "0 passed, 1 failed, 0 skipped")


def test_nothing_run_is_a_failure():
    assert outcome() == (1, "0 passed, 0 failed, 0 skipped")


def test_whole_machine_tests_are_added(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): assert False\n"
        "def test_c(): pytest.skip()\n", encoding="utf-8")
    one = program(tmp_path, "one", "1..1\nok 1 - a")
    assert outcome("--unit", one, "--system", str(tmp_path)) == (
        1, "2 passed, 1 failed, 1 skipped")
