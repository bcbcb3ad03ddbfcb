#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# try_deb.sh BUILD: makes the Debian packages of a build, unpacks the program's and runs it from there.
set -euo pipefail
build=$1 work=$1/package_test/deb
for tool in cpack dpkg-deb dpkg-shlibdeps file gzip; do
  command -v "$tool" >/dev/null || { printf 'skipped: no %s; ./dev package installs it\n' "$tool"; exit 77; }
done
rm -rf "$work"
# Not compressed: that takes longer than all the rest.
(cd "$build" && cpack -D CPACK_DEBIAN_COMPRESSION_TYPE=none -B "$work") >/dev/null
dpkg-deb -x "$work"/p2plab_*.deb "$work/root"
[[ $(dpkg-deb -f "$work"/p2plab_*.deb Depends) == *coinor-libclp1*libyaml-cpp* ]] || { printf 'the program does not name the libraries that it links\n'; exit 1; }
cd "$work"   # away from the sources: the profile is the package's
root/usr/bin/p2plab --version
root/usr/bin/p2plab plan --topology hgx-h200:gpus=2 --size '4 KiB' --algorithm one_shot --profile h200
[[ -e root/usr/share/zsh/vendor-completions/_p2plab ]]
for page in p2plab p2plab-topo-show; do [[ -e root/usr/share/man/man1/$page.1.gz ]]; done
[[ $(dpkg-deb -c libp2plab-dev_*.deb) == *cmake/p2plab/p2plabConfig.cmake* ]]
