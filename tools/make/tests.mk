# Tests. A unit test or fuzz target names the sources it is linked with in its own text:
# `/* links: kernel/lib/a.c kernel/mem/b.c */`; tools/make/links makes rules of these lines.

# On the build machine privileged instructions fault: tests/unit/cpu has headers by the names of
# those in kernel/, which are found first, with functions that tests define.
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
STRESS_SOURCES := $(wildcard tests/stress/stress_*.c)
UNIT := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/fuzz/%)
STRESS := $(STRESS_SOURCES:tests/stress/%.c=$(BUILD)/stress/%)

HOST_CFLAGS := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	$(WARNINGS) -MMD -MP -iquote tests/unit/cpu -I. -isystem $(DIR_libyaml)/include \
	-isystem $(DIR_zlib)/include
HOST_LIBS := $(DIR_libyaml)/lib/libyaml-host.a $(DIR_zlib)/lib/libz-host.a
# With COVER set, gcov counts the lines that they run. What the sanitizers would find there, they
# find without it, so no code is made for them: it is built in a third of the time.
UNIT_CC := gcc $(HOST_CFLAGS) -DCHECKS $(if $(COVER),-O0 --coverage,-fsanitize=address,undefined)
FUZZ_CC := clang $(HOST_CFLAGS) -fsanitize=fuzzer,address,undefined
# Fences are there but not seen by the sanitizer: what they order must be atomic by itself. The
# window lies where the sanitizer has its own memory, so it is moved.
STRESS_CC := gcc $(HOST_CFLAGS) -Wno-tsan -pthread -include tests/stress/window.h \
	$(if $(COVER),-O0 --coverage -fprofile-update=atomic,-fsanitize=thread)

$(BUILD)/unit/obj/%.c.o: %.c $(DIR_libyaml) $(DIR_zlib)
	@mkdir -p $(@D)
	$(call say,CC) $(UNIT_CC) -c $< -o $@

$(BUILD)/fuzz/obj/%.c.o: %.c $(DIR_libyaml) $(DIR_zlib)
	@mkdir -p $(@D)
	$(call say,CC) $(FUZZ_CC) -c $< -o $@

$(BUILD)/stress/obj/%.c.o: %.c $(DIR_libyaml)
	@mkdir -p $(@D)
	$(call say,CC) $(STRESS_CC) -c $< -o $@

# Where boot knows the firmware, so do its tests: CHAR16 is wchar_t there.
EFI_TESTED := boot/choose.c tests/unit/test_boot_choose.c
$(EFI_TESTED:%=$(BUILD)/unit/obj/%.o): UNIT_CC += -fshort-wchar -DGNU_EFI_USE_MS_ABI \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64

# Data compiled from ASL is the same for every program.
$(BUILD)/unit/obj/%.asl.o: $(OBJ)/%.asl.o
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/fuzz/obj/%.asl.o: $(OBJ)/%.asl.o
	@mkdir -p $(@D)
	@cp $< $@

# The rules of the core are looked at in all that is built so.
CHECK_OBJECTS := $(patsubst %,$(BUILD)/unit/obj/%.o,kernel/lib/checks.c \
	kernel/lib/lock_order.c kernel/mem/owners.c tests/unit/checks_host.c)

$(UNIT): $(CHECK_OBJECTS)
	$(call say,LD) $(UNIT_CC) -fsanitize=address -o $@ $(filter %.o,$^) $(HOST_LIBS) -lcmocka

$(STRESS):
	$(call say,LD) $(STRESS_CC) -o $@ $(filter %.o,$^) -lcmocka

$(FUZZ):
	$(call say,LD) $(FUZZ_CC) -o $@ $(filter %.o,$^) $(HOST_LIBS)

$(BUILD)/links.mk: $(UNIT_SOURCES) $(FUZZ_SOURCES) $(STRESS_SOURCES) tools/make/links
	@mkdir -p $(@D)
	@tools/make/links $(BUILD) $(UNIT_SOURCES) $(FUZZ_SOURCES) $(STRESS_SOURCES) >$@
include $(BUILD)/links.mk

unit: $(UNIT)
	@tools/test/run --unit $(UNIT)

# What threads share, shared by threads of this machine, under ThreadSanitizer.
stress: $(STRESS)
	@tools/test/run --unit $(STRESS)

# Seconds for each target.
SECONDS ?= 60
fuzz: $(FUZZ)
	@tools/test/run --fuzz-seconds $(SECONDS) --fuzz $(FUZZ)

# Guest programs: bare metal, entered by Multiboot 1 in 32-bit protected mode. Each file of
# tests/guest is one program; tests/guest/lib is linked to all. A Multiboot loader takes ELF32,
# so the 64-bit link is relabelled; NAME.elf64 is for a debugger.
GUEST_SOURCES := $(wildcard tests/guest/*.c tests/guest/*.S)
GUEST_LIB := $(patsubst %,$(BUILD)/guest/obj/%.o,$(wildcard tests/guest/lib/*.c tests/guest/lib/*.S))
GUESTS := $(sort $(patsubst tests/guest/%,$(BUILD)/guest/%.elf,$(basename $(GUEST_SOURCES))))
GUEST_CC = gcc -nostdinc -isystem $(shell gcc -print-file-name=include) -std=gnu17 -O2 -g \
	-ffreestanding -mno-red-zone -fno-pic -fno-stack-protector -fcf-protection=none \
	-fno-omit-frame-pointer -mgeneral-regs-only $(WARNINGS) -MMD -MP -I.

$(BUILD)/guest/obj/%.o: %
	@mkdir -p $(@D)
	$(call say,CC) $(GUEST_CC) -c $< -o $@

$(BUILD)/guest/%.elf: $(BUILD)/guest/obj/tests/guest/%.c.o $(GUEST_LIB) tests/guest/link.ld
	$(guest_link)
$(BUILD)/guest/%.elf: $(BUILD)/guest/obj/tests/guest/%.S.o $(GUEST_LIB) tests/guest/link.ld
	$(guest_link)

define guest_link
$(call say,LD) ld -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none \
	-T tests/guest/link.ld -o $@64 $(filter %.o,$^)
@objcopy -O elf32-i386 $@64 $@
endef

# Programs of several files.
$(BUILD)/guest/hostile.elf: $(patsubst %,$(BUILD)/guest/obj/%.o,$(wildcard tests/guest/hostile/*.c))
$(BUILD)/guest/task_switch.elf: $(patsubst %,$(BUILD)/guest/obj/%.o,$(wildcard tests/guest/task_switch/*.c))

guests: $(GUESTS)
.PHONY: guests
.SECONDARY: # keep objects that only a pattern rule names

# What the tests of boot put before and behind it.
BOOT_TESTS := $(BUILD)/boot/fragment.efi $(BUILD)/boot/witness.elf

$(OBJ)/tests/boot/%.o: tests/boot/%
	@mkdir -p $(@D)
	$(call say,CC) gcc $(BOOT_CFLAGS) $(WARNINGS) -MMD -MP -I. -c $< -o $@

$(OBJ)/fragment.so: $(OBJ)/tests/boot/fragment.c.o
	$(efi_link)

$(BUILD)/boot/fragment.efi: $(OBJ)/fragment.so
	@mkdir -p $(@D)
	$(efi_copy)

$(BUILD)/boot/witness.elf: tests/boot/witness.c tests/boot/witness.ld boot/handoff.h
	@mkdir -p $(@D)
	$(call say,LD) gcc -std=gnu17 -O2 -ffreestanding -mno-red-zone -mcmodel=kernel -fno-pic \
		-fno-stack-protector -fcf-protection=none -mgeneral-regs-only $(WARNINGS) -I. \
		-nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,-z,max-page-size=4096 -Wl,-T,tests/boot/witness.ld -o $@ $<

# The configuration's own code, built for this machine.
CHECK_CONFIG_OBJECTS := $(patsubst %,$(BUILD)/unit/obj/%.o, \
	$(wildcard tools/check-config/*.c guests/config/*.c) drivers/volume/names.c \
	kernel/io/storage.c kernel/io/storage_claims.c kernel/io/storage_check.c \
	kernel/io/extents.c kernel/io/files.c \
	kernel/lib/duration.c kernel/lib/size.c kernel/lib/sort.c kernel/mem/plan.c \
	guests/launch/kernel.c guests/boot/gzip.c \
	guests/boot/boot.c guests/boot/e820.c $(filter-out %/load.c,$(wildcard guests/linux/*.c guests/multiboot/*.c)))
$(BUILD)/check-config: $(CHECK_CONFIG_OBJECTS) $(CHECK_OBJECTS)
	$(call say,LD) $(UNIT_CC) -o $@ $^ $(HOST_LIBS)

check-config: $(BUILD)/check-config
	@test -n '$(FILE)' || { echo 'which one? make check-config FILE=bulkhead.yaml'; exit 1; }
	@$(BUILD)/check-config $(if $(CPUS),--cpus $(CPUS)) $(if $(MEMORY),--memory $(MEMORY)) \
		$(if $(ESP),--esp $(ESP)) $(if $(AGAINST),--against $(AGAINST)) $(FILE)

# The LVM code without what is the kernel's, on image files.
LVM_KERNEL := $(patsubst %,drivers/volume/lvm/%.c,holds manage members picture source volume)
LVM_SOURCES := $(filter-out $(LVM_KERNEL),$(wildcard drivers/volume/lvm/*.c))
$(BUILD)/lvmtool: $(patsubst %,$(BUILD)/unit/obj/%.o,$(wildcard tools/lvm/*.c) $(LVM_SOURCES) \
	kernel/lib/size.c kernel/lib/crc32.c kernel/lib/sort.c) \
	$(CHECK_OBJECTS)
	$(call say,LD) $(UNIT_CC) -o $@ $^

# What the writers of guests/views make of samples, and the tool that knows metrics best.
$(BUILD)/viewtool: $(patsubst %,$(BUILD)/unit/obj/%.o,tools/viewtool/main.c \
	$(wildcard guests/views/*.c) kernel/lib/utf8.c) $(CHECK_OBJECTS)
	$(call say,LD) $(UNIT_CC) -o $@ $^

$(BUILD)/promtool: | $(PACKAGES)
	$(call say,FETCH) tests/tools/fetch-promtool $@

# Kernels of Debian's that tests start as guests. Fetched once.
$(BUILD)/kernels: | $(PACKAGES)
	$(call say,FETCH) tests/system/fetch-kernels $@

# Everything that a whole-machine test starts.
MACHINE := kernel checked samples $(GUESTS) $(BOOT_TESTS) $(BUILD)/check-config \
	$(BUILD)/lvmtool $(BUILD)/viewtool $(BUILD)/promtool bochs $(BUILD)/kernels \
	$(BUILD)/bench/amd64
# Bochs has one thread, and its tests don't mind what else runs.
run_all = @tools/test/run --unit $(UNIT) $(STRESS) --fuzz $(FUZZ) \
	--beside tests/system/test_intel.py --system tests/tools tests/system -q

test: $(UNIT) $(STRESS) $(FUZZ) $(MACHINE)
	$(run_all) -m 'not long'

test-long: $(UNIT) $(STRESS) $(FUZZ) $(MACHINE) debian
	$(run_all)

# The lines that no test runs: what gcov counts in unit and stress tests, built for that, and what
# the machines in QEMU execute of the kernel's image. Bochs cannot tell. `make coverage-unit`
# leaves the machines out.
COVERAGE := $(BUILD)/coverage
$(COVERAGE)/cover.so: tools/qemu/cover.c
	@mkdir -p $(@D)
	$(call say,CC) gcc -std=gnu17 -O2 $(WARNINGS) -shared -fPIC -o $@ $<

.PHONY: coverage coverage-unit coverage-counts
coverage-counts: $(BUILD)/kernel.elf
	@find $(COVERAGE) -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory unit stress COVER=1 BUILD=$(COVERAGE)/unit DEPS=$(abspath $(DEPS)) \
		|| echo 'the lines of tests that failed count all the same'

coverage-unit: coverage-counts
	@tools/test/coverage report $(COVERAGE) --gcov $(COVERAGE)/unit

coverage: coverage-counts $(COVERAGE)/cover.so $(MACHINE)
	@BULKHEAD_COVER=$(abspath $(COVERAGE))/cover.so,$$(tools/test/coverage marks \
		$(BUILD)/bulkhead.elf $(abspath $(COVERAGE))/marks) \
		tools/test/run --system tests/system -q -m 'not long'
	@tools/test/coverage report $(COVERAGE) --gcov $(COVERAGE)/unit \
		--elf $(BUILD)/bulkhead.elf --marks $(COVERAGE)/marks

# Each file of tests/bench measures one thing and adds it to build/bench.json.
BENCH := $(BUILD)/bench/count.so $(patsubst tests/bench/guest/%.c,$(BUILD)/bench/%, \
	$(wildcard tests/bench/guest/*.c))

$(BUILD)/bench/count.so: tools/qemu/count.c
	@mkdir -p $(@D)
	$(call say,CC) gcc -std=gnu17 -O2 $(WARNINGS) -shared -fPIC -o $@ $<

$(BUILD)/bench/%: tests/bench/guest/%.c tests/bench/guest/mark.h
	@mkdir -p $(@D)
	$(call say,CC) gcc -std=gnu17 -O2 $(WARNINGS) -static -I. -o $@ $<

$(BUILD)/bench/amd64: | $(PACKAGES)
	$(call say,FETCH) guests/samples/fetch-kernel $@.new/vmlinuz $@.new/modules amd64
	@mv $@.new $@

bench: kernel samples $(GUESTS) bochs $(BENCH) $(BUILD)/bench/amd64
	@rm -f $(BUILD)/bench.json
	@for file in $(sort $(wildcard tests/bench/*.py)); do /usr/bin/python3 $$file || exit 1; done

-include $(shell find $(BUILD)/unit $(BUILD)/fuzz $(BUILD)/stress $(BUILD)/guest -name '*.d' 2>/dev/null)
