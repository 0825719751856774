#!/bin/sh
# Puts bowline for C, C++ and Go into a prefix: the libraries that cargo has built, the headers, a pkg-config file and a CMake package.
# Files find each other by relative paths, so that an installed prefix may be moved. It builds nothing, and removes only what is its own: the
# file `files` beside the CMake package says what it has installed.
set -eu

usage() {
    cat <<'END'
usage: bindings/install/install.sh [options]

  --prefix DIR        where it goes; /usr/local
  --libdir DIR        where in the prefix the libraries go; lib
  --destdir DIR       goes before every path that is written, for packages; $DESTDIR
  --profile NAME      which build is taken; release
  --target-dir DIR    where cargo builds; $CARGO_TARGET_DIR, or target in the source
  --from DIR          the folder with libbowline.so and libbowline.a, instead of the two options before
  --no-static         no static library (which needs GNU ld, objcopy, ar and nm; LD, OBJCOPY, AR and NM may name them)
  --uninstall         removes what was installed in that libdir, older libraries too; folders that others may use stay, and
                      headers that another libdir of the prefix needs
END
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

self=$0
while [ -L "$self" ]; do
    link=$(readlink "$self")
    case $link in
        /*) self=$link ;;
        *) self=$(dirname -- "$self")/$link ;;
    esac
done
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
source=$(CDPATH='' cd -- "$here/../.." && pwd)
prefix=/usr/local libdir=lib destdir=${DESTDIR-} profile=release built='' static=yes task=install
target=${CARGO_TARGET_DIR:-$source/target}

while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
        --prefix | --libdir | --destdir | --profile | --target-dir | --from)
            [ $# -gt 0 ] || fail "$option needs a value (--help)"
            value=$1
            shift
            ;;
        --*=*)
            value=${option#*=}
            option=${option%%=*}
            case $option in
                --prefix | --libdir | --destdir | --profile | --target-dir | --from) ;;
                *) fail "there is no option $option with a value (--help)" ;;
            esac
            ;;
        *) value='' ;;
    esac
    case $option in
        --prefix) prefix=$value ;;
        --libdir) libdir=$value ;;
        --destdir) destdir=$value ;;
        --profile) profile=$value ;;
        --target-dir) target=$value ;;
        --from) built=$value ;;
        --no-static) static=no ;;
        --uninstall) task=uninstall ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "there is no option $option (--help)" ;;
    esac
done
case $libdir in
    '' | *[!A-Za-z0-9._/+-]*) fail "--libdir $libdir: letters, digits and . _ / + - are allowed" ;;
esac

# ---- where things are and go ----

case $prefix in
    /*) prefix=${prefix%/} ;;
    *) fail "--prefix $prefix: give the whole path, beginning with /" ;;
esac
libdir=${libdir#"$prefix"/}
libdir=${libdir%/}
case /$libdir/ in
    //* | */./* | */../*) fail "--libdir $libdir: it lies within the prefix, because installed files find each other from there" ;;
esac
if [ -z "$built" ]; then
    folder=$profile
    [ "$profile" != dev ] || folder=debug # as cargo calls it
    built=$target/$folder
fi
cargo_build="cargo build --lib --profile $profile"
[ "$profile" != release ] || cargo_build='cargo build --release --lib'

version=$(sed -n 's/^version = "\([0-9][0-9.]*\).*"$/\1/p' "$source/Cargo.toml" | head -n 1)
[ -n "$version" ] || fail "$source/Cargo.toml names no version"
series=${version%%.*} # what programs are bound to; a minor of 0.x may break them
[ "$series" != 0 ] || series=${version%.*}
soname=libbowline.so.$series
to=$destdir$prefix
lib=$to/$libdir
listed=cmake/bowline/files # in libdir: every path that was installed, from the prefix
up=$(printf '%s\n' "$libdir" | sed 's|[^/][^/]*|..|g') # from libdir to the prefix

# ---- what is done with files ----

# `mv` and `ln` would put what they have into a folder of that name, and say that all is well.
may_be() {
    [ ! -d "$1" ] || [ -L "$1" ] || fail "$1 is a folder: remove it, or choose another --prefix or --libdir"
}

# A file is put in place whole: programs that run with the old one keep it.
put() {
    mode=$1 from=$2 file=$3
    may_be "$file"
    { cp "$from" "$file.new" && chmod "$mode" "$file.new" && mv -f "$file.new" "$file"; } ||
        fail "$file cannot be written: choose another --prefix or --destdir, or run it as one who may"
    is_there "$file"
}

put_link() {
    may_be "$2"
    ln -sfn "$1" "$2" || fail "$2 cannot be written: choose another --prefix or --destdir, or run it as one who may"
    is_there "$2"
}

is_there() {
    printf '%s\n' "${1#"$to"/}" >> "$scratch/files"
    printf '%s\n' "$1"
}

# True if another libdir of the prefix lists a file, too: headers are all of theirs. A list names itself, by which that of a prefix within
# this one, and ours under another name, are told apart.
is_needed() {
    for others in "$to"/*/"$listed" "$to"/*/*/"$listed"; do
        own=${others#"$to"/}
        if [ -f "$others" ] && [ "$own" != "$libdir/$listed" ] && grep -qxF "$own" "$others" && grep -qxF "$1" "$others"; then
            return 0
        fi
    done
    return 1
}

take_away() {
    ! is_needed "${1#"$to"/}" || return 0
    if [ -f "$1" ] || [ -L "$1" ]; then
        rm -f "$1" || fail "$1 cannot be removed: run it as one who may"
        printf 'removed %s\n' "$1"
    fi
}

# What an earlier version has installed and this one has not goes; but libraries that programs of another series load stay, and are
# listed further.
replace_listed() {
    [ -f "$lib/$listed" ] || return 0
    while read -r old; do
        ! grep -qxF "$old" "$scratch/files" || continue
        case $old in
            "$libdir/$soname" | "$libdir/$soname".*) take_away "$to/$old" ;;
            "$libdir"/libbowline.so.*) printf '%s\n' "$old" >> "$scratch/files" ;;
            *) take_away "$to/$old" ;;
        esac
    done < "$lib/$listed"
}

fill() {
    sed -e "s|@VERSION@|$version|g" -e "s|@SONAME@|$soname|g" -e "s|@LIBDIR@|$libdir|g" -e "s|@UP@|$up|g" -e "s|@POINTER@|$pointer|g" \
        -e "$requires" "$here/$1.in" > "$scratch/$1"
    put 644 "$scratch/$1" "$2/$1"
}

needs_built() {
    [ -f "$built/$1" ] || fail "$built/$1 is missing: run '$cargo_build' first, or say where it is (--target-dir, --profile, --from)"
}

# The header says which functions there are.
functions() {
    awk '/^BOWLINE_API/ { open = 1 }
         open && match($0, /bowline_[a-z0-9_]+\(/) { print substr($0, RSTART, RLENGTH - 1); open = 0 }' "$source/include/bowline.h"
}

# A header may not promise what the library does not have.
needs_fresh() {
    functions | LC_ALL=C sort > "$scratch/functions"
    LC_ALL=C grep -ao 'bowline_[a-z0-9_]*' "$built/libbowline.so" | LC_ALL=C sort -u > "$scratch/names"
    missing=$(LC_ALL=C comm -23 "$scratch/functions" "$scratch/names" | head -n 1)
    [ -z "$missing" ] || fail "$built/libbowline.so has no $missing: it is older than include/bowline.h, run '$cargo_build' again"
}

make_static() {
    for tool in "${LD:-ld}" "${OBJCOPY:-objcopy}" "${AR:-ar}" "${NM:-nm}"; do
        command -v "$tool" > /dev/null || fail "$tool is missing: install binutils, or leave the static library out (--no-static)"
    done
    sh "$here/localise.sh" "$built/libbowline.a" "$scratch/libbowline.a" "$scratch/functions" ||
        fail "no static library could be made of $built/libbowline.a: it is older than include/bowline.h (run '$cargo_build')," \
            'or ld is not that of GNU binutils (--no-static leaves it out)'
    # Only a build with the feature system-sodium asks the program for libsodium.
    "${NM:-nm}" -u "$scratch/libbowline.a" > "$scratch/wanted" || fail "${NM:-nm} cannot read what ${LD:-ld} has made: name the right one with NM"
    if grep -q ' sodium_init$' "$scratch/wanted"; then
        requires='s|@REQUIRES@|libsodium|; s|@REQUIRES_CMAKE@|sodium;|'
    fi
}

install() {
    needs_built libbowline.so
    [ "$static" = no ] || needs_built libbowline.a
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
    needs_fresh
    requires='s|@REQUIRES_CMAKE@||; /@REQUIRES@/d'
    case $(od -An -tu1 -j4 -N1 "$built/libbowline.so" | tr -d ' ') in # the class of an ELF file
        1) pointer=4 ;;
        2) pointer=8 ;;
        *) pointer='' ;;
    esac
    [ "$static" = no ] || make_static

    (umask 022 && mkdir -p "$lib/pkgconfig" "$lib/cmake/bowline" "$to/include") 2> /dev/null ||
        fail "$to cannot be written: choose another --prefix or --destdir, or run it as one who may"
    for header in "$source"/include/*.h*; do
        put 644 "$header" "$to/include/${header##*/}"
    done
    put 755 "$built/libbowline.so" "$lib/libbowline.so.$version"
    for name in "$soname" libbowline.so; do
        put_link "libbowline.so.$version" "$lib/$name"
    done
    if [ "$static" = yes ]; then
        put 644 "$scratch/libbowline.a" "$lib/libbowline.a"
    else
        rm -f "$lib/libbowline.a"
    fi
    fill bowline.pc "$lib/pkgconfig"
    fill bowlineConfig.cmake "$lib/cmake/bowline"
    fill bowlineConfigVersion.cmake "$lib/cmake/bowline"
    printf '%s\n' "$libdir/$listed" >> "$scratch/files"
    replace_listed
    LC_ALL=C sort "$scratch/files" > "$scratch/listed"
    put 644 "$scratch/listed" "$lib/$listed"
}

uninstall() {
    if [ ! -f "$lib/$listed" ]; then
        printf 'install.sh: nothing is installed there: %s is missing\n' "$lib/$listed" >&2
        return 0
    fi
    while read -r file; do
        [ "$file" = "$libdir/$listed" ] || take_away "$to/$file"
    done < "$lib/$listed"
    take_away "$lib/$listed"
    rmdir "$lib/cmake/bowline" || fail "$lib/cmake/bowline has files that are not of bowline"
}

$task
