# The sample machine: two guests' kernel and initramfs, the disk image, and a run of it.

SAMPLES := $(BUILD)/samples
SAMPLE_CONFIG := guests/samples/bulkhead.yaml

# Debian's kernel is fetched once and kept: a second run needs no network.
$(SAMPLES)/vmlinuz: | $(PACKAGES)
	$(call say,FETCH) guests/samples/fetch-kernel $@

$(SAMPLES)/initrd.gz: guests/samples/make-initrd guests/samples/rc guests/samples/inittab
	@mkdir -p $(@D)
	$(call say,CPIO) guests/samples/make-initrd $@

samples: $(SAMPLES)/vmlinuz $(SAMPLES)/initrd.gz
.PHONY: samples

$(BUILD)/bulkhead.img: tools/image/mkimage $(SAMPLE_CONFIG) $(BUILD)/BOOTX64.EFI \
		$(BUILD)/kernel.elf $(SAMPLES)/vmlinuz $(SAMPLES)/initrd.gz
	$(call say,IMAGE) tools/image/mkimage $@ --config $(SAMPLE_CONFIG) \
		$(SAMPLES)/vmlinuz=samples/vmlinuz $(SAMPLES)/initrd.gz=samples/initrd.gz

image: $(BUILD)/bulkhead.img

run: image
	@tools/qemu/run $(BUILD)/bulkhead.img
