// SPDX-License-Identifier: Apache-2.0
#include "capi/variants.h"

namespace p2plab::capi {

using runtime::Call;
using enum CollectiveKind;

namespace {

// Payloads up to which one shot beats two: its bytes grow with the ranks, two shots wait twice. Measured on 2, 3 and 4 H200s; from the same two costs
// for more. Of two ranks both send the same bytes, and one shot's rows of an epilogue need not wait for each other.
Bytes one_shot_up_to(int ranks, bool has_rows) {
  if (ranks == 2) return has_rows ? 64_MiB : 4_MiB;
  if (ranks == 3) return 256_KiB;
  return ranks == 4 ? 128_KiB : 64_KiB;
}

const Variant one_shot{"one_shot"};
const Variant pushed{"one_shot", {{"mode", "push"}}};
const Variant two_shot{"two_shot"};
const Variant direct{"two_shot", {{"mode", "direct"}}};
const Variant ring{"ring"};

}  // namespace

std::vector<Variant> variants_of_one_order(const Call& call, int ranks) {
  if (call.kind == all_reduce && runtime::payload_of(call, ranks).size() > one_shot_up_to(ranks, call.epilogue.has_value())) return {direct, pushed};
  return {pushed, one_shot, direct, {"tree"}};
}

std::vector<Variant> variants_of(const Call& call, int ranks, bool by_host) {
  const auto size = runtime::payload_of(call, ranks).size();
  std::vector<Variant> variants;
  const auto take = [&](const Variant& variant) { variants.push_back(variant); };
  switch (call.kind) {
    case all_reduce:
      // Through host memory bytes cost more than rounds.
      if (by_host)
        take(size <= 16_KiB ? pushed : two_shot);
      else if (size <= one_shot_up_to(ranks, call.epilogue.has_value()))
        take(pushed);
      else
        take(size <= 32_MiB ? two_shot : ring);
      break;
    case reduce_scatter: take(size <= 64_KiB ? one_shot : (size <= 16_MiB || by_host) ? two_shot : ring); break;
    case all_gather: take(size <= 4_MiB || by_host ? two_shot : ring); break;
    case broadcast: take(size <= 256_KiB ? one_shot : size <= 64_MiB || by_host ? two_shot : ring); break;
    case all_to_all: take({"pairwise"}); break;
    default: break;
  }
  for (const auto* other : {"one_shot", "two_shot", "pairwise", "tree", "ring"}) take({other});
  return variants;
}

// Between single GPUs one exchange less wins while its bytes are few (kernels/decisions/014); where servers have several, what can be added inside
// them is not sent.
std::vector<Variant> variants_over_servers(const Call& call, int ranks, bool alone) {
  constexpr Bytes few = 4_MiB;
  std::vector<Variant> variants;
  if (alone)
    variants.push_back((ranks - 1) * runtime::bytes_of(call) <= few.count() ? one_shot : two_shot);
  else
    variants.push_back({"hierarchical"});
  for (const auto* other : {"one_shot", "two_shot", "pairwise", "tree", "ring"}) variants.push_back({other});
  return variants;
}

}  // namespace p2plab::capi
