// SPDX-License-Identifier: Apache-2.0
#include "sources/tables/link_rates.h"

#include <algorithm>
#include <array>

namespace p2plab {

std::optional<Bandwidth> pcie_rate(double gigatransfers, int lanes) {
  struct Generation {
    double gigatransfers;
    std::int64_t transfers;  // per second and lane, one bit each
    std::int64_t payload;
    std::int64_t coded;
  };
  constexpr std::array generations{Generation{2.5, 2'500'000'000, 8, 10},    Generation{5, 5'000'000'000, 8, 10},
                                   Generation{8, 8'000'000'000, 128, 130},   Generation{16, 16'000'000'000, 128, 130},
                                   Generation{32, 32'000'000'000, 128, 130}, Generation{64, 64'000'000'000, 242, 256}};
  const auto found = std::ranges::find(generations, gigatransfers, &Generation::gigatransfers);
  if (found == generations.end() || lanes < 1 || lanes > 32) return std::nullopt;
  const auto bits = found->transfers * lanes;
  return Bandwidth::bytes_per_second((bits / 8 * found->payload + found->coded / 2) / found->coded);
}

namespace {

struct NetworkName {
  std::string_view name;
  int gigabits;  // a second, on the wire net of line coding
  bool ethernet;
};
constexpr std::array network_table{NetworkName{"edr", 100, false},    NetworkName{"hdr", 200, false},    NetworkName{"ndr", 400, false},
                                   NetworkName{"xdr", 800, false},    NetworkName{"roce100", 100, true}, NetworkName{"roce200", 200, true},
                                   NetworkName{"roce400", 400, true}, NetworkName{"roce800", 800, true}};

}  // namespace

std::optional<Bandwidth> network_rate(std::string_view name) {
  constexpr double packet = 4096;
  constexpr double infiniband = 8 + 12 + 4 + 2;
  constexpr double roce = 20 + 14 + 20 + 8 + 12 + 4 + 4;
  const auto* found = std::ranges::find(network_table, name, &NetworkName::name);
  if (found == network_table.end()) return std::nullopt;
  return GBps(found->gigabits / 8.0 * packet / (packet + (found->ethernet ? roce : infiniband)));
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& one : network_table) names.emplace_back(one.name);
  return names;
}

double transfers_of_generation(int generation) {
  constexpr std::array<double, 7> transfers{0, 2.5, 5, 8, 16, 32, 64};
  return generation > 0 && generation < std::ssize(transfers) ? transfers[static_cast<std::size_t>(generation)] : 0;
}

Bandwidth nvlink_lane(int compute_capability) {
  if (compute_capability < 70) return GBps(20);
  if (compute_capability == 86) return GBps(14.0625);
  return compute_capability < 100 ? GBps(25) : GBps(50);
}

Bandwidth xgmi_link(std::string_view target) {
  if (target.starts_with("gfx")) target.remove_prefix(3);
  if (target.starts_with("91") || target.starts_with("90a")) return GBps(50);  // RCCL's files write gfx90a as 910
  if (target.starts_with("94")) return GBps(64);
  if (target.starts_with("95")) return GBps(76.8);
  return GBps(46);
}

Seconds nvswitch_latency(int compute_capability) {
  if (compute_capability / 10 == 9) return Seconds{325e-9};
  return compute_capability / 10 == 7 ? Seconds{350e-9} : Seconds{500e-9};
}

}  // namespace p2plab
