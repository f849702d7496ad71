"""check-config as a person calls it: what it prints and how it exits."""

import gzip
import os
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "guests/samples/bulkhead.yaml"


def check_config(*words):
    """Exit status and lines of output."""
    done = subprocess.run([ROOT / "build/check-config", *words], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.splitlines()


def make_check_config(*words):
    """The same as the documentation calls it."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(["make", "-C", ROOT, "--no-print-directory", "check-config", *words],
                          text=True, check=False, env=outside, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    return done.returncode, done.stdout.splitlines()


def linux(version=0x20f, init_size=32 << 20):
    """A file with the header of a Linux kernel that begins at 16 MiB (boot.rst)."""
    header = bytearray(0x800)
    header[0x1f1] = 1  # setup sectors
    struct.pack_into("<I", header, 0x1f4, 0x40)  # code, in units of 16 bytes
    struct.pack_into("<HBB4sH", header, 0x1fe, 0xaa55, 0xeb, 0x6a, b"HdrS", version)
    header[0x211] = 1  # loaded high
    struct.pack_into("<IIB", header, 0x22c, 0x7fffffff, 0x200000, 1)
    struct.pack_into("<HI", header, 0x236, 1, 2047)
    struct.pack_into("<QI", header, 0x258, 16 << 20, init_size)
    return bytes(header)


def make_files(folder, kernel=linux(), initrd=b"x" * 1000):
    """The files that the sample boots."""
    (folder / "samples").mkdir()
    (folder / "samples/vmlinuz").write_bytes(kernel)
    (folder / "samples/initrd.gz").write_bytes(initrd)


def check_guest(folder, memory="64 MiB", kernel="esp:/samples/vmlinuz", more=""):
    """What is said of a document with one guest, whose boot partition is `folder`."""
    document = folder.parent / f"{folder.name}.yaml"
    document.write_text(f"""
guests:
  - name: alpha
    memory: {memory}
    boot: {{kernel: "{kernel}", initrd: "esp:/samples/initrd.gz"}}
{more}""", encoding="utf-8")
    return check_config("--cpus", "4", "--memory", "2048MiB", "--esp", folder, document)


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


def test_exit_status_through_make(tmp_path):
    """0, or the 2 of make, as docs/configuration.md says."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("guests: []\nhosts: {}\n", encoding="utf-8")
    status, lines = make_check_config(f"FILE={SAMPLE}", "CPUS=4", "MEMORY=2048MiB")
    assert (status, lines[-2]) == (0, f"{SAMPLE}: good, 2 guests")
    status, lines = make_check_config(f"FILE={broken}")
    assert (status, lines[-1]) == (2, f"{broken}:2:1: unknown key 'hosts'; did you mean 'host'?")
    assert make_check_config()[0] == 2
    assert make_check_config(f"FILE={broken}", "CPUS=0")[0] == 2


def test_all_faults_are_said_and_how_many_more(tmp_path):
    """Those of the form and those of guests beside each other, in the document's order."""
    document = tmp_path / "faults.yaml"
    document.write_text("guests:\n" + """  - name: alpha
    memory: 65 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
""" * 18, encoding="utf-8")
    status, lines = check_config(document)
    assert status == 1
    assert len(lines) == 33
    assert [line.split(":")[1] for line in lines[:4]] == ["3", "5", "6", "8"]
    assert lines[-1] == "and 3 more"


def test_bad_calls_are_refused(tmp_path):
    for words in ([], ["a", "b"], ["--cpus", "0", SAMPLE], ["--memory", "2GB", SAMPLE],
                  ["--memory", "126MiB", SAMPLE], ["--colour", SAMPLE]):
        assert check_config(*words)[0] == 2
    assert check_config(tmp_path / "absent.yaml")[0] == 1


def test_names_are_those_of_fat(tmp_path):
    """Capitals are as good as small letters, as on the machine; what it does not read is not
    there."""
    folder = tmp_path / "esp"
    (folder / "Disks").mkdir(parents=True)
    make_files(folder)
    (folder / "Disks/vmlinuz").write_bytes(linux())
    assert check_guest(folder, kernel="esp:/SAMPLES/vmLinuz")[0] == 0
    for kernel in ("esp:/samples/vmlinux", "esp:/disks/vmlinuz", "esp:/samples"):
        status, lines = check_guest(folder, kernel=kernel)
        assert status == 1
        assert f"there is no file {kernel}" in lines[0]


def test_kernels_are_looked_into(tmp_path):
    """By the loaders themselves."""
    for number, (kernel, memory, wrong) in enumerate((
            (linux(), "64 MiB", None),
            (linux(), "50 MiB", None),
            (linux(), "48 MiB", "50 MiB at the least"),
            (linux(0x207), "64 MiB", "BIOS"),
            (gzip.compress(linux()), "64 MiB", None),
            (gzip.compress(linux()), "48 MiB", "50 MiB at the least"),
            (gzip.compress(linux())[:-9], "64 MiB", "gzip'd"),
            (gzip.compress(b"no kernel" * 100), "64 MiB", "gzip'd and was unpacked"),
            (b"no kernel" * 100, "64 MiB", "neither a Linux bzImage nor a Multiboot kernel"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        make_files(folder, kernel)
        status, lines = check_guest(folder, memory)
        assert status == int(wrong is not None), lines
        assert wrong is None or wrong in lines[0]


def test_disks_of_the_boot_partition(tmp_path):
    folder = tmp_path / "esp"
    (folder / "disks").mkdir(parents=True)
    make_files(folder)
    (folder / "disks/web.img").write_bytes(bytes(1024))
    (folder / "disks/odd.img").write_bytes(bytes(1000))
    disks = """    disks: [{source: "esp:/disks/%s"}, {source: "esp:/disks/%s"}]"""
    assert check_guest(folder, more='    disks: [{source: "esp:/Disks/WEB.img"}]')[0] == 0
    status, lines = check_guest(folder, more=disks % ("odd.img", "none.img"))
    assert status == 1
    assert "1000 bytes long" in lines[0] and "is not there" in lines[1]
    status, lines = check_guest(folder, more=disks % ("web.img", "WEB.IMG"))
    assert status == 1
    assert "is disks[0] of guest 'alpha' on line 6 too" in lines[0]


def test_names_that_boot_cannot_tell_are_left_out(tmp_path):
    folder = tmp_path / "esp"
    folder.mkdir()
    make_files(folder)
    (folder / "samples/gr\u00fcn").write_bytes(b"x")
    status, lines = check_guest(folder)
    assert status == 0
    assert lines[0].startswith("left out: ")


def test_what_a_document_changes_against_another(tmp_path):
    """The plan of the machine itself, as if all guests ran."""
    old, new, wrong = (tmp_path / f"{name}.yaml" for name in ("old", "new", "wrong"))
    guest = '  - {name: alpha, memory: %s, boot: {kernel: "esp:/samples/vmlinuz"}%s}\n'
    old.write_text("guests:\n" + guest % ("64 MiB", ""), encoding="utf-8")
    new.write_text("guests:\n" + guest % ("128 MiB", ", on_crash: restart"), encoding="utf-8")
    wrong.write_text("guests: 1\n", encoding="utf-8")
    status, lines = check_config("--cpus", "2", "--memory", "512MiB", "--against", old, new)
    assert status == 0
    assert lines[0] == f"{new}: good, 1 guest"
    assert lines[2:] == [
        "guest 'alpha' is shut down within 60 s and started again:",
        "  memory: 64 MiB, then 128 MiB; its RAM is set aside when the guest starts",
        "  on_crash: stop, then restart"]
    assert check_config("--against", new, new)[1][-1] == "nothing changes"
    assert check_config("--against", wrong, new)[0] == 1
    assert check_config("--against", tmp_path / "absent", new)[0] == 1
