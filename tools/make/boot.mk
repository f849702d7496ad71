# The UEFI application: GNU-EFI's start-up code and linker script, made a PE by objcopy.

BOOT_SOURCES := $(wildcard boot/*.c boot/*.S)
BOOT_OBJECTS := $(BOOT_SOURCES:%=$(OBJ)/%.o)
BOOT_CFLAGS := -std=gnu17 -O2 -g -ffreestanding -fpic -fshort-wchar -mno-red-zone \
	-fno-stack-protector -fcf-protection=none -mgeneral-regs-only -maccumulate-outgoing-args \
	-DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
EFI_SECTIONS := .text .sdata .data .dynamic .dynsym .rel .rela .rel.* .rela.* .reloc

$(OBJ)/boot/%.o: boot/% | $(PACKAGES)
	@mkdir -p $(@D)
	$(call say,CC) gcc $(BOOT_CFLAGS) $(WARNINGS) -MMD -MP -I. -c $< -o $@

$(OBJ)/boot-version.o: $(OBJ)/version.c | $(PACKAGES)
	@gcc $(BOOT_CFLAGS) -c $< -o $@

define efi_link
$(call say,LD) ld -nostdlib -shared -Bsymbolic -znocombreloc -z noexecstack --no-undefined \
	-T /usr/lib/elf_x86_64_efi.lds -o $@ /usr/lib/crt0-efi-x86_64.o $^ \
	-L /usr/lib -lgnuefi -lefi $(shell gcc -print-libgcc-file-name)
endef
efi_copy = @objcopy $(EFI_SECTIONS:%=-j %) --target=efi-app-x86_64 $< $@

$(OBJ)/boot.so: $(BOOT_OBJECTS) $(OBJ)/boot-version.o
	$(efi_link)

$(BUILD)/BOOTX64.EFI: $(OBJ)/boot.so
	$(efi_copy)

-include $(BOOT_OBJECTS:.o=.d)
