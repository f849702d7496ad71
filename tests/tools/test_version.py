"""tools/make/version: what it says of a repository, an archive, and files alone; the build changes
with the sources and with nothing else."""

import re
import shutil
import subprocess

from tests.conftest import ROOT

VERSION = (ROOT / "VERSION").read_text().strip()


def git(folder, *words):
    return subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *words],
                          check=True, capture_output=True, text=True).stdout.strip()


def strings(folder):
    """Number, build and text as the program in `folder` makes them."""
    said = subprocess.check_output([folder / "tools/make/version"], text=True, cwd="/")
    return re.findall(r'^const char version_(?:number|build|text)\[\] = "(.*)";$', said, re.M)


def files_alone(folder):
    """A copy of what the program is about, in no repository."""
    (folder / "tools/make").mkdir(parents=True)
    shutil.copy(ROOT / "tools/make/version", folder / "tools/make/version")
    for name in ("VERSION", ".gitattributes"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def repository(folder):
    files_alone(folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD")[:12]


def test_a_repository_is_named_by_its_commit(tmp_path):
    commit = repository(tmp_path / "r")
    said = [VERSION, commit, f"{VERSION} (build {commit})"]
    assert strings(tmp_path / "r") == said
    (tmp_path / "r/build").mkdir()  # what is built is no change
    (tmp_path / "r/build/x").write_text("x")
    assert strings(tmp_path / "r") == said
    (tmp_path / "r/VERSION").write_text("9.8.7\n")
    assert strings(tmp_path / "r") == ["9.8.7", f"{commit}+", f"9.8.7 (build {commit}+)"]


def test_an_archive_keeps_its_commit(tmp_path):
    commit = repository(tmp_path / "r")
    git(tmp_path / "r", "archive", "-o", tmp_path / "a.tar", "HEAD")
    (tmp_path / "a").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "a.tar", "-C", tmp_path / "a"], check=True)
    assert strings(tmp_path / "a") == [VERSION, commit, f"{VERSION} (build {commit})"]


def test_files_alone_have_no_build_even_inside_another_repository(tmp_path):
    assert strings(files_alone(tmp_path / "f")) == [VERSION, "", VERSION]
    repository(tmp_path / "r")
    assert strings(files_alone(tmp_path / "r/inside")) == [VERSION, "", VERSION]
