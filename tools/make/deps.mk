# Packages of the build machine, and the libraries that the kernel links with.
# To add a library: a line in tools/deps/sources.txt, a recipe, and its name here.

LIBRARIES := newlib libyaml zlib console-font

hash = $(shell (cat $(1); echo '$(2)') | sha256sum | cut -c1-16)

# Making an included file restarts make, so the compiler is there when it is first asked.
PACKAGES := $(BUILD)/packages-$(call hash,tools/deps/packages.txt).mk
include $(PACKAGES)
$(PACKAGES):
	@tools/deps/packages
	@mkdir -p $(@D)
	@: >$@

# The kernel never touches SSE or x87 registers: these belong to the guests. The red zone is
# off as interrupts use the current stack; frame pointers carry backtraces.
KERNEL_CC = gcc -nostdinc -isystem $(abspath $(DIR_newlib))/include \
	-isystem $(shell gcc -print-file-name=include) \
	-U__linux__ -U__linux -Ulinux -U__gnu_linux__ -U__unix__ -U__unix -Uunix
KERNEL_CFLAGS := -std=gnu17 -O2 -g -ffreestanding -mno-red-zone -mcmodel=kernel -fno-pic \
	-fno-stack-protector -fno-omit-frame-pointer -fcf-protection=none -mgeneral-regs-only \
	-ffunction-sections -fdata-sections -D__DYNAMIC_REENT__
export KERNEL_CC KERNEL_CFLAGS

# A library's directory carries a hash of all that the result depends on in its name, so that
# working trees may share one DEPS whatever their versions and the dates of their files.
recipe_of = $(wildcard tools/deps/recipes/$(1)*)
pins_of = $(shell grep '^$(1) ' tools/deps/sources.txt)
define library
DIR_$(1) := $(DEPS)/$(1)-$(call hash,$(recipe_of),$(pins_of) $(KERNEL_CFLAGS))
$$(DIR_$(1)):
	@tools/deps/build $(1) $$@
endef
$(foreach l,$(LIBRARIES),$(eval $(call library,$(l))))
# The others' headers come from newlib.
$(foreach l,$(filter-out newlib,$(LIBRARIES)),$(eval $(DIR_$(l)): | $(DIR_newlib)))

LIBRARY_DIRS := $(foreach l,$(LIBRARIES),$(DIR_$(l)))
deps: $(LIBRARY_DIRS)
