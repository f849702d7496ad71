"""Instructions per exit on VMX, in Bochs: its TSC advances by one for each instruction that the
one emulated CPU executes, so the same guest program counts them. Without Bochs, or with nothing
measured, no figure is written, and that is said."""

import pathlib
import subprocess
import tempfile

from figures import CONFIG, PROGRAM, ROOT, record, results

from tools.bochs import machine as bochs

HOW = "TSC of Bochs ({}), minimum of 8 rounds of 500 less the empty loop"
MODELS = {"corei7_skylake_x": "vmx", "corei5_arrandale_m520": "vmx_arrandale"}


def measure(image, model):
    with bochs.Machine(image, name=f"bench-exits-{model}", limit_s=600, cpus=1, model=model) as m:
        m.expect(r"bench: exited with status 0", 500)
        return results(m.output)


def main():
    if bochs.missing():
        print(f"  *** NOT MEASURED: exits on Intel: {bochs.missing()}")
        return
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        document, image = directory / "bench.yaml", directory / "bench.img"
        document.write_text(CONFIG, encoding="utf-8")
        subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                        f"{PROGRAM}=bench.elf"], check=True)
        for model, column in MODELS.items():
            found = measure(image, model)
            for exit_name in ("cpuid", "in_3fd", "vmcall", "out_80", "apic_mmio_read",
                              "rdmsr_apic_base", "wrmsr_tsc_deadline", "x2apic_eoi"):
                if exit_name in found:
                    record(f"{column}.exit.{exit_name}", found[exit_name], "instructions",
                           HOW.format(model))
            record(f"{column}.page.first_touch", found["touch_mean"], "instructions",
                   "per 4 KiB page, 64 MiB touched page by page")


main()
