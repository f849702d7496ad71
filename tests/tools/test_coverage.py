"""The report of lines that no test runs: from gcov's counts, from the marks of what a machine
executed, and from both; and that the plugin marks what QEMU executes."""

import array
import mmap
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/test/coverage"
SOURCE = """\
int twice(int a)
{
	if (a > 1)
		return a * 3;
	return a * 2;
}
"""

def gcc(root, *words):
    subprocess.run(["gcc", "-O0", "-g", "-fno-toplevel-reorder", *words], cwd=root, check=True)


def unit_program(root):
    """A unit test that runs all of twice() but line 4."""
    (root / "kernel").mkdir(exist_ok=True)
    (root / "kernel/twice.c").write_text(SOURCE, encoding="utf-8")
    (root / "unit.c").write_text("int twice(int a);\nint main(void) { return twice(1) - 2; }\n",
                                 encoding="utf-8")
    gcc(root, "--coverage", "unit.c", "kernel/twice.c", "-o", "unit")
    subprocess.run([root / "unit"], cwd=root, check=True)


def machine_program(root):
    """A kernel's image that holds twice()."""
    text = ("int kernel_entry(void) { return 0; }\n#line 1 \"kernel/twice.c\"\n" + SOURCE +
            "__asm__(\".globl __text_end; __text_end:\");\nint main(void) { return 0; }\n")
    (root / "image.c").write_text(text, encoding="utf-8")
    gcc(root, "-no-pie", "image.c", "-o", "image")
    return root / "image"


def report(root, *words):
    out = subprocess.run([TOOL, "report", root / "out", "--root", root, *words], check=False,
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    lines = (root / "out/coverage.txt").read_text(encoding="utf-8").splitlines()
    return [" ".join(line.split()) for line in lines if "twice.c" in line], out.stdout


def marks_of(program, path, lines):
    """Marks as the plugin would leave them, had these lines of twice.c run."""
    subprocess.run([TOOL, "marks", program, path], check=True, capture_output=True)
    listing = subprocess.run(["objdump", "-dl", "--no-show-raw-insn", program], check=True,
                             capture_output=True, text=True).stdout
    low = int(subprocess.run(f"nm {program} | grep kernel_entry", shell=True, check=True,
                             capture_output=True, text=True).stdout.split()[0], 16)
    marks, ran = array.array("Q", path.read_bytes()), False
    for line in listing.splitlines():
        if ".c:" in line:
            name, _, number = line.split(" ")[0].rpartition(":")
            ran = name.endswith("twice.c") and int(number) in lines
        elif ran and line.startswith(" "):
            marks[int(line.split(":")[0], 16) - low] = 7
    path.write_bytes(marks.tobytes())


def test_unit_tests(tmp_path):
    unit_program(tmp_path)
    files, sums = report(tmp_path, "--gcov", tmp_path)
    assert files == ["4 1 kernel/twice.c: 4"]
    assert "4 lines, 1 never run all" in " ".join(sums.split())


def test_a_file_that_no_test_is_linked_with(tmp_path):
    unit_program(tmp_path)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/alone.c").write_text("int alone;\n", encoding="utf-8")
    report(tmp_path, "--gcov", tmp_path)
    last = (tmp_path / "out/coverage.txt").read_text(encoding="utf-8").splitlines()[-1]
    assert " ".join(last.split()) == "- - boot/alone.c: no test is linked with it"


def test_machines(tmp_path):
    image = machine_program(tmp_path)
    marks_of(image, tmp_path / "marks", {1, 2, 3, 4, 6})
    words = ["--elf", image, "--marks", tmp_path / "marks"]
    assert report(tmp_path, *words)[0] == ["5 1 kernel/twice.c: 5"]


def test_both_are_merged(tmp_path):
    unit_program(tmp_path)
    image = machine_program(tmp_path)
    words = ["--gcov", tmp_path, "--elf", image, "--marks", tmp_path / "marks"]
    marks_of(image, tmp_path / "marks", {4})
    assert report(tmp_path, *words)[0] == ["4 0 kernel/twice.c"]
    marks_of(image, tmp_path / "marks", {1})
    assert report(tmp_path, *words)[0] == ["4 1 kernel/twice.c: 4"]


def test_no_counts_is_an_error(tmp_path):
    done = subprocess.run([TOOL, "report", tmp_path / "out", "--gcov", tmp_path], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "did the unit tests run" in done.stderr


def entry_of(elf):
    text = subprocess.run(["readelf", "-h", elf], check=True, capture_output=True,
                          text=True).stdout
    return int(text.split("Entry point address:")[1].split()[0], 16)


def test_the_plugin_marks_what_is_executed(tmp_path):
    plugin, marks = tmp_path / "cover.so", tmp_path / "marks"
    subprocess.run(["gcc", "-shared", "-fPIC", ROOT / "tools/qemu/cover.c", "-o", plugin],
                   check=True)
    program = ROOT / "build/guest/hog.elf"
    entry = entry_of(program)
    marks.write_bytes(bytes(8 * 64))
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-display", "none", "-kernel", program, "-plugin",
         f"{plugin},marks={marks},low={entry - 8:#x}"], stdin=subprocess.DEVNULL)
    try:
        with open(marks, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            for _ in range(600):
                if any(view[:]):
                    break
                assert machine.poll() is None
                time.sleep(0.1)
            assert not any(view[:64])  # what lies before the entry
            assert any(view[64:72])
    finally:
        machine.kill()
        machine.wait()
