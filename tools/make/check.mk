# What a change must satisfy before it lands; warnings are errors in every build anyway.

OWN_C := $(sort $(shell find $(wildcard boot kernel drivers net guests tools tests) \
	-name '*.c' -o -name '*.h'))
TIDY_KERNEL := $(filter %.c,$(KERNEL_SOURCES))
TIDY_BOOT := $(filter %.c,$(BOOT_SOURCES))
CLANG_INCLUDE = -isystem $(shell clang -print-resource-dir)/include
TIDY_FLAGS = --target=x86_64-elf -std=gnu17 -ffreestanding -nostdinc
# $(1) files, $(2) where their headers are; clang's own come last, as newlib's replace some.
tidy = printf '%s\n' $(1) | xargs -r -P2 -n4 sh -c \
	'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) $(2) $(CLANG_INCLUDE) -I. 2>/dev/null' tidy

.PHONY: check-format check-layers check-tidy
check: check-format check-layers check-tidy
	@echo 'formatting, layers and static analysis: nothing to complain about'

check-format:
	$(call say,CHECK,formatting) clang-format --dry-run -Werror $(OWN_C)

check-layers:
	$(call say,CHECK,layers) tools/layers/check

check-tidy: $(LIBRARY_DIRS)
	$(call say,CHECK,clang-tidy on kernel) $(call tidy,$(TIDY_KERNEL),-D__DYNAMIC_REENT__ \
		-isystem $(DIR_newlib)/include -isystem $(DIR_libyaml)/include)
	$(call say,CHECK,clang-tidy on boot) $(call tidy,$(TIDY_BOOT),-fshort-wchar \
		-DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64)
