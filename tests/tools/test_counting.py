"""tools/test/run: every test counts once, wherever it runs."""

import subprocess

import pytest

from tests.conftest import ROOT

GOOD = "def test_good(): print('good')\n"
BAD = "def test_bad(): assert not 'reached'\n"
LEFT = "import pytest\ndef test_left(): pytest.skip('for a reason')\n"


def count(*words):
    """Exit status and output of tools/test/run."""
    done = subprocess.run([ROOT / "tools/test/run", *words], cwd=ROOT, text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("here, beside, counted, status", (
    (GOOD, GOOD, "2 passed, 0 failed, 0 skipped", 0),
    (GOOD, BAD, "1 passed, 1 failed, 0 skipped", 1),
    (BAD, GOOD, "1 passed, 1 failed, 0 skipped", 1),
    (GOOD, LEFT, "1 passed, 0 failed, 1 skipped", 0),
    (GOOD, "this is no test", "1 passed, 1 failed, 0 skipped", 1),
    (GOOD, "", "1 passed, 1 failed, 0 skipped", 1),
))
def test_what_runs_beside_counts(tmp_path, here, beside, counted, status):
    (tmp_path / "test_here.py").write_text(here, encoding="utf-8")
    (tmp_path / "test_beside.py").write_text(beside, encoding="utf-8")
    returned, said = count("--beside", tmp_path / "test_beside.py", "--system", tmp_path, "-q")
    assert said.splitlines()[-1] == counted and returned == status, said
    assert ("reached" in said) == (BAD in (here, beside))


def test_options_are_those_of_the_others(tmp_path):
    both = "def test_one(): pass\ndef test_two(): pass\n"
    for name in ("test_here.py", "test_beside.py"):
        (tmp_path / name).write_text(both, encoding="utf-8")
    returned, said = count("--beside", tmp_path / "test_beside.py", "--system", tmp_path, "-q",
                           "-k", "two")
    assert said.splitlines()[-1] == "2 passed, 0 failed, 0 skipped" and returned == 0, said


def test_nothing_is_no_success():
    returned, said = count("--unit")
    assert said.splitlines()[-1] == "0 passed, 0 failed, 0 skipped" and returned == 1
