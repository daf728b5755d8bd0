#!/bin/sh
# Puts SimGrid where bench/simulate can be compiled against it, and prints what to give CMake.
#   get_simgrid.sh DIR
# Where pkg-config knows simgrid, nothing is done. Elsewhere Debian's packages are unpacked under DIR, without root and
# without installing them: libsimgrid-dev asks for the system's default Boost headers, which would take the place of a
# newer Boost that is installed. The libraries that SimGrid itself needs must be there (apt-get install libsimgrid3.32).
set -eu
if [ $# -ne 1 ] || [ "$1" = --help ]; then
  echo "usage: $0 DIR" >&2
  exit 2
fi
if pkg-config --exists simgrid 2>/dev/null; then
  echo "pkg-config knows SimGrid $(pkg-config --modversion simgrid): CMake finds it" >&2
  exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
  echo "$0: neither pkg-config's simgrid nor apt-get and dpkg: install SimGrid 3.32 or later with SMPI" >&2
  exit 1
}
mkdir -p "$1/packages"
directory=$(cd "$1" && pwd)
library=$(apt-cache depends libsimgrid-dev | sed -n 's/.*Depends: \(libsimgrid[0-9.]*\)$/\1/p' | head -n 1)
(cd "$directory/packages" && apt-get download libsimgrid-dev "${library:?no libsimgrid-dev among the packages}")
for package in "$directory"/packages/*.deb; do
  dpkg -x "$package" "$directory"
done
missing=$(ldd "$directory"/usr/lib/*/libsimgrid.so | sed -n 's/^[ \t]*\(.*\) => not found$/\1/p' | tr '\n' ' ')
[ -z "$missing" ] || echo "$0: SimGrid also needs $missing(apt-get install $library brings them)" >&2
echo "cmake ... -DFIRECAFFE_SIMGRID=$directory/usr"
