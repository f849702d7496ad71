"""check-config as a person calls it: what it prints and how it exits."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "guests/samples/bulkhead.yaml"


def check_config(*words):
    """Exit status and lines of output."""
    done = subprocess.run([ROOT / "build/check-config", *words], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.splitlines()


def make_files(folder):
    """The files that the sample boots."""
    (folder / "samples").mkdir()
    for name in ("vmlinuz", "initrd.gz"):
        (folder / "samples" / name).write_bytes(b"x" * 1000)


def test_sample_alone_is_good_and_says_what_was_left_out():
    status, lines = check_config(SAMPLE)
    assert status == 0
    assert lines[0] == f"{SAMPLE}: good, 2 guests"
    assert [line.split(":")[0] for line in lines[1:]] == ["not checked"] * 3


def test_sample_fits_its_machine(tmp_path):
    make_files(tmp_path)
    machine = ("--cpus", "4", "--memory", "2048MiB", "--esp", tmp_path)
    assert check_config(*machine, SAMPLE) == (0, [f"{SAMPLE}: good, 2 guests"])


def test_disks_and_nics_are_for_the_machine_to_check(tmp_path):
    document = tmp_path / "devices.yaml"
    document.write_text("""
networks: [{name: lan, uplink: nic0}]
guests:
  - name: alpha
    memory: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
    disks: [{source: "lvm:vg0/web"}]
""", encoding="utf-8")
    status, lines = check_config(document)
    assert status == 0
    assert lines[4:] == ["not checked: whether it has these disks, and none of them twice",
                         "not checked: whether it has these NICs"]


def test_sources_of_no_known_form_are_refused(tmp_path):
    document = tmp_path / "sources.yaml"
    document.write_text("""
guests:
  - name: alpha
    memory: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
    disks:
      - {source: "ram:64"}
      - {source: "disc:x"}
      - {source: "lvm:vg0"}
      - {source: "esp:/web.img"}
      - {source: "part:4f68bce3-e8cd-4db1-96e7-fbcaf984b709"}
      - {source: "ram:64 MiB"}
""", encoding="utf-8")
    status, lines = check_config(document)
    assert status == 1
    assert [line.split("'alpha': ")[1] for line in lines] == [
        "disks[0].source 'ram:64' has no size; write 'ram:64 MiB', from 1 KiB to 1 TiB",
        "disks[1].source 'disc:x' begins with no kind of disk; write one of disk:, part:, lvm:, "
        "esp:, ram:",
        "disks[2].source 'lvm:vg0' names no logical volume; write its group and its name: "
        "'lvm:vg0/web'",
        "disks[3].source 'esp:/web.img' is read into memory at boot; put disks in "
        "\\bulkhead\\disks\\ and write 'esp:/disks/web.img'",
    ]


def test_smaller_machine_is_refused(tmp_path):
    status, lines = check_config("--cpus", "2", "--memory", "1GiB", "--esp", tmp_path, SAMPLE)
    assert status == 1
    assert any("cpus.pin names CPUs 2-3, which this machine does not have" in line
               for line in lines)
    assert any("guest 'beta': memory is 512 MiB, but this machine has 416 MiB left" in line
               for line in lines)  # 1 GiB, less 64 MiB and 1/32 of it, less alpha's
    assert sum("there is no file esp:/samples/" in line for line in lines) == 4


def test_broken_document_has_file_line_and_column(tmp_path):
    document = tmp_path / "broken.yaml"
    document.write_text("guests: []\nhosts: {}\n", encoding="utf-8")
    assert check_config(document) == (
        1, [f"{document}:2:1: unknown key 'hosts'; did you mean 'host'?"])


def test_bad_calls_are_refused(tmp_path):
    for words in ([], ["a", "b"], ["--cpus", "0", SAMPLE], ["--memory", "2GB", SAMPLE],
                  ["--memory", "126MiB", SAMPLE], ["--colour", SAMPLE]):
        assert check_config(*words)[0] == 2
    assert check_config(tmp_path / "absent.yaml")[0] == 1
