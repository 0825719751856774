#!/bin/sh
# Makes of a Rust static library one whose only global symbols are the listed ones, so that it links beside anything: another libsodium,
# another Rust library of any compiler. The rest (the Rust runtime, libsodium, every crate) becomes local to its one object.
# Called by install.sh; needs GNU ld, objcopy and ar, which LD, OBJCOPY and AR may name.
#
#     localise.sh IN.a OUT.a SYMBOLS        SYMBOLS: a file with one symbol a line
set -eu

[ $# -eq 3 ] || { echo 'usage: localise.sh IN.a OUT.a SYMBOLS' >&2; exit 2; }
in=$1 out=$2 symbols=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# One object of what the symbols need. --force-group-allocation ends the groups: a group of the same name in another library
# (DW.ref.rust_eh_personality) would otherwise take the place of ours. --unique leaves sections apart for the program's own --gc-sections.
sed 's/^/--require-defined=/' "$symbols" > "$scratch/options"
"${LD:-ld}" -r -S --gc-sections --force-group-allocation --unique "@$scratch/options" -o "$scratch/whole.o" "$in"

# --strip-unneeded drops names that nothing refers to any more: weak ones would come back as symbols that the program must define.
# The compiler's bitcode goes, because tools with an LLVM plugin would read it instead of the code.
"${OBJCOPY:-objcopy}" --strip-unneeded --remove-section=.llvmbc --remove-section=.llvmcmd --keep-global-symbols="$symbols" \
    "$scratch/whole.o" "$scratch/bowline.o"
rm -f "$out"
"${AR:-ar}" rcsD "$out" "$scratch/bowline.o"
