// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "machine/on_demand.h"
#include "p2plab/machine/topology_io.h"

namespace p2plab {

namespace {

// All of a machine but its name, and where its numbers come from.
std::string nameless_text(const Topology& topology) {
  auto text = write_topology(topology);
  if (const auto name = text.find("name:"); name != std::string::npos) text.erase(name, text.find('\n', name) - name);
  // The last keys say where numbers come from and are no part of the machine.
  for (const char* key : {"\nsources:\n", "\nwords:\n"}) {
    if (const auto place = text.find(key); place != std::string::npos) text.erase(place + 1);
  }
  return text;
}

std::string hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a, 64 bits
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
  return fmt::format("{:016x}", hash);
}

}  // namespace

bool same_machine(const Topology& a, const Topology& b) { return nameless_text(a) == nameless_text(b); }

const std::string& Topology::fingerprint() const& {
  return on_demand().fingerprint.value([&] { return std::make_shared<const std::string>(hash_of(nameless_text(*this))); });
}

}  // namespace p2plab
