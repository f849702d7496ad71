# The entry of a grub.cfg that GRUB would boot by itself. Prints its kernel, its initrds, and its
# command line, a line each (an initrd of none is "-"); status 1 when no entry has a kernel.
# `saved` is the variable saved_entry of GRUB's environment. Knows menu entries, submenus and
# `set default`; of conditions it takes all branches, and what is a variable it leaves out.

function quoted(text,    quote, end) { # the first word of it, without quotes
	sub(/^[ \t]+/, "", text)
	quote = substr(text, 1, 1)
	if (quote != "'" && quote != "\"") {
		sub(/[ \t{].*/, "", text)
		return text
	}
	text = substr(text, 2)
	end = index(text, quote)
	return end ? substr(text, 1, end - 1) : text
}

function id_of(line) {
	return match(line, /(--id|\$menuentry_id_option)[ \t]+/) \
		? quoted(substr(line, RSTART + RLENGTH)) : ""
}

# Words from `first` on, without GRUB's devices, variables and quotes.
function rest(first,    i, text) {
	for (i = first; i <= NF; i++) {
		sub(/^\([^)]*\)/, "", $i) # a device: it is the one that this is on
		if ($i ~ /\$/)
			continue
		gsub(/'/, "", $i)
		text = text (text == "" ? "" : " ") $i
	}
	return text
}

# A menu's item: how it is called, on the way to it, by number, title and identifier.
function item(    parent) {
	parent = menus ? menu[menus] : 0
	items++
	before = parent ? number[parent] ">" : ""
	number[items] = before (children[parent]++ + 0)
	title[items] = (parent ? title[parent] ">" : "") quoted(substr($0, match($0, /(menuentry|submenu)/) + RLENGTH))
	id[items] = (parent ? id[parent] ">" : "") id_of($0)
	up[items] = parent
}

$1 == "set" && $2 ~ /^default=/ && !menus && !current {
	value = $0
	sub(/^[ \t]*set[ \t]+default=/, "", value)
	value = quoted(value)
	if (value ~ /saved_entry/)
		value = saved
	if (value !~ /\$/ && value != "")
		wanted = value
}

$1 == "menuentry" || $1 == "submenu" { item() }
$1 == "menuentry" { current = items }
$1 == "submenu" { menu[++menus] = items }
current && !kernel[current] && $1 ~ /^linux(efi|16)?$/ { kernel[current] = $2; options[current] = rest(3) }
current && $1 ~ /^initrd(efi|16)?$/ { initrd[current] = rest(2) }
$1 != "menuentry" && $1 != "submenu" && /\{[ \t]*$/ { blocks++ }
$1 == "}" {
	if (blocks)
		blocks--
	else if (current)
		current = 0
	else if (menus)
		menus--
}

# Whether the item, or a menu that it is the first bootable item of, is the one named.
function is_wanted(i) {
	for (; i; i = up[i])
		if (number[i] == wanted || title[i] == wanted || id[i] == wanted)
			return 1
	return 0
}

END {
	if (wanted == "")
		wanted = "0"
	for (i = 1; i <= items; i++)
		if (kernel[i] && is_wanted(i))
			break
	for (j = 1; i > items && j <= items; j++) # no such entry: the first, as GRUB does
		if (kernel[j])
			i = j
	if (i > items)
		exit 1
	print kernel[i]
	print initrd[i] == "" ? "-" : initrd[i]
	print options[i]
}
