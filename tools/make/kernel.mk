# The kernel: every source of its four parts, libc and libraries, and a symbol table of itself.

OBJ := $(BUILD)/obj
WARNINGS := -Wall -Wextra -Wshadow -Werror

sources = $(sort $(shell find $(wildcard $(1)) -path guests/samples -prune -o \
	\( -name '*.c' -o -name '*.S' -o -name '*.asl' \) -print))
KERNEL_SOURCES := $(call sources,kernel drivers net guests)
KERNEL_OBJECTS := $(KERNEL_SOURCES:%=$(OBJ)/%.o)
KERNEL_LIBS = $(DIR_libyaml)/lib/libyaml.a $(DIR_zlib)/lib/libz.a $(DIR_newlib)/lib/libc.a \
	$(shell gcc -print-libgcc-file-name)

kernel: $(BUILD)/kernel.elf $(BUILD)/BOOTX64.EFI

# The same with the rules of kernel/lib/checks.h looked at, below build/checked.
CHECKED := $(BUILD)/checked
checked: | $(PACKAGES)
	@MAKEFLAGS= $(MAKE) --no-print-directory BUILD=$(CHECKED) DEPS=$(DEPS) \
		PACKAGES=$(PACKAGES) V=$(V) CHECKS=1 kernel
.PHONY: checked

# Kernel code finds the libraries' headers as <yaml.h> and <zlib.h>.
kernel_compile = $(KERNEL_CC) $(KERNEL_CFLAGS) $(if $(CHECKS),-DCHECKS) $(WARNINGS) \
	-MMD -MP -I. -isystem $(DIR_libyaml)/include -isystem $(DIR_zlib)/include -c $< -o $@

$(OBJ)/%.c.o: %.c $(LIBRARY_DIRS)
	@mkdir -p $(@D)
	$(call say,CC) $(kernel_compile)

$(OBJ)/%.S.o: %.S $(LIBRARY_DIRS)
	@mkdir -p $(@D)
	$(call say,CC) $(kernel_compile)

$(OBJ)/kernel/log/font.S.o: private KERNEL_CFLAGS += -Wa,-I$(DIR_console-font)/lib

# ASL becomes `const uint8_t NAME_aml[]` and `const uint32_t NAME_aml_bytes`.
$(OBJ)/%.asl.o: %.asl tools/make/aml.S
	@mkdir -p $(@D)
	$(call say,IASL) iasl -p $(@:.asl.o=) -ve $< >$@.log 2>&1 || { cat $@.log; exit 1; }
	@gcc -DNAME=$(basename $(<F))_aml -DFILE='"$(@:.asl.o=.aml)"' -c tools/make/aml.S -o $@

# Written anew only where it says otherwise, so that nothing else is built again.
.PHONY: always
$(OBJ)/version.c: always
	@mkdir -p $(@D)
	@tools/make/version >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OBJ)/version.o: $(OBJ)/version.c $(LIBRARY_DIRS)
	@$(kernel_compile)

# The table of symbols changes nothing before itself: text comes first in link.ld, and only
# text is listed. That the two passes agree is checked, not hoped for.
kernel_link = ld -nostdlib -static --gc-sections -z noexecstack -z max-page-size=4096 \
	--build-id=none -T kernel/link.ld -o $@ $(filter %.o,$^) \
	--start-group $(KERNEL_LIBS) --end-group

$(OBJ)/ksyms-none.S: tools/make/ksyms
	@mkdir -p $(@D)
	@tools/make/ksyms </dev/null >$@

$(OBJ)/ksyms.S: $(OBJ)/pass1.elf tools/make/ksyms
	@nm -n $< | tools/make/ksyms >$@

$(OBJ)/ksyms%.o: $(OBJ)/ksyms%.S
	@gcc -c $< -o $@

$(OBJ)/ksyms.o: $(OBJ)/ksyms.S
	@gcc -c $< -o $@

$(OBJ)/pass1.elf: $(KERNEL_OBJECTS) $(OBJ)/version.o $(OBJ)/ksyms-none.o kernel/link.ld
	$(call say,LD) $(kernel_link)

$(BUILD)/bulkhead.elf: $(KERNEL_OBJECTS) $(OBJ)/version.o $(OBJ)/ksyms.o kernel/link.ld
	$(call say,LD) $(kernel_link)
	@nm -n $@ | tools/make/ksyms | cmp - $(OBJ)/ksyms.S
	@! objdump -d $@ | grep -E '%[xyz]?mm[0-9]|%st\b' || \
		{ echo '$@ holds SSE or x87 instructions (above)'; exit 1; }

# What the boot application loads: no debug information. bulkhead.elf keeps it.
$(BUILD)/kernel.elf: $(BUILD)/bulkhead.elf
	@strip --strip-all -o $@ $<

-include $(KERNEL_OBJECTS:.o=.d)
