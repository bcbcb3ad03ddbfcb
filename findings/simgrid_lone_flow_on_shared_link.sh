#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SimGrid 3.32 (Debian libsimgrid-dev 3.32-2+b2): with the plain fluid model (CM02, bandwidth factor 1), one flow alone on a 1 GB/s link with sharing policy
# SHARED, whose route is symmetric, moves 1 GB in 1.05 s, not 1.00: the option network/crosstraffic is on by default and charges the way back 5 % of the
# flow, and both ways are the same link. On a FATPIPE link, or with crosstraffic off, it takes 1.00 s. Who compares a simulator of full-duplex links with
# SimGrid is 5 % off before anything is shared.
# Seen: "shared 1.050000", "fatpipe 1.000000", "shared, no crosstraffic 1.000000". Fails if that changes. Needs apt and a C++ compiler.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq libsimgrid-dev=3.32-2+b2 libsimgrid3.32=3.32-2+b2 libns3.37 libboost1.74-dev libboost-context1.74.0 libboost-stacktrace1.74.0 \
  libgsl27 libgslcblas0 libgfortran5 libquadmath0 libsqlite3-0 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
library=$work/root/usr/lib/$(c++ -dumpmachine)
cat >flow.cpp <<'SOURCE'
#include <simgrid/s4u.hpp>

#include <cstdio>
#include <string>

namespace sg = simgrid::s4u;

int main(int argc, char** argv) {
  sg::Engine engine(&argc, argv);
  auto* zone = sg::create_full_zone("zone");
  auto* from = zone->create_host("from", 1e9);
  auto* to = zone->create_host("to", 1e9);
  const auto policy = std::string(argv[1]) == "shared" ? sg::Link::SharingPolicy::SHARED : sg::Link::SharingPolicy::FATPIPE;
  auto* link = zone->create_link("link", 1e9)->set_latency(0)->set_sharing_policy(policy)->seal();
  zone->add_route(from->get_netpoint(), to->get_netpoint(), nullptr, nullptr, {sg::LinkInRoute(link)}, true);
  zone->seal();
  sg::Actor::create("send", from, [] { sg::Mailbox::by_name("box")->put(new int(1), 1000000000); });
  sg::Actor::create("receive", to, [] {
    delete sg::Mailbox::by_name("box")->get<int>();
    std::printf("%.6f\n", sg::Engine::get_clock());
  });
  engine.run();
}
SOURCE
c++ -w -isystem root/usr/include flow.cpp -L"$library" -lsimgrid -Wl,-rpath-link,"$library" -o flow
export LD_LIBRARY_PATH=$library
seconds() { ./flow "$1" --cfg=network/model:CM02 "${@:2}" 2>/dev/null; }
shared=$(seconds shared) fatpipe=$(seconds fatpipe) quiet=$(seconds shared --cfg=network/crosstraffic:no)
echo "shared $shared, fatpipe $fatpipe, shared without crosstraffic $quiet"
[[ $shared == 1.050000 && $fatpipe == 1.000000 && $quiet == 1.000000 ]]
