// SPDX-License-Identifier: Apache-2.0
#include "p2plab/plan/candidates.h"

#include <array>

#include <fmt/format.h>

namespace p2plab {

namespace {

// Variants of known planners that are best somewhere; planners not named here compete with their defaults.
struct Variant {
  const char* planner;
  const char* parameter;
  const char* value;
  std::size_t most_members = 1 << 20;  // for larger groups planning takes longer than it gains
  std::size_t least_members = 2;       // for smaller ones others are as good
};
constexpr std::size_t small = 16;
constexpr std::size_t many_ring_members = 2048;  // whose rings take seconds to find
constexpr std::size_t several_servers = 9;
constexpr std::array variants{
    Variant{"one_shot", "mode", "push"},
    Variant{"two_shot", "mode", "pull"},
    Variant{"two_shot", "mode", "direct"},
    Variant{"ring", "rings", "8", many_ring_members},
    Variant{"ring", "fabric", "any", many_ring_members},
    Variant{"halving_doubling", "exchange", "doubling"},
    Variant{"tree", "trees", "1"},
    Variant{"tree", "arity", "1"},
    Variant{"hierarchical", "across", "ring"},
    Variant{"forest", "trees", "1", small},
    Variant{"forest", "trees", "4", small},
    Variant{"latency", "chunks", "2", small},
    Variant{"hierarchical", "across", "tree", 1 << 20, several_servers},
    Variant{"hierarchical", "inside", "read", 1 << 20, several_servers},
    Variant{"hierarchical", "across", "one_shot", 1 << 20, several_servers},
};

}  // namespace

std::string PlanCandidate::name() const {
  auto name = planner->name;
  for (const auto& [key, value] : parameters) name += fmt::format(" ({}={})", key, value);
  return name;
}

std::vector<PlanCandidate> plan_candidates(const Registry<Planner>& planners, std::size_t members) {
  std::vector<PlanCandidate> all;
  for (const auto& entry : planners.entries()) all.push_back({&entry, {}});
  for (const auto& variant : variants) {
    const auto* entry = planners.find(variant.planner);
    if (entry != nullptr && members >= variant.least_members && members <= variant.most_members)
      all.push_back({entry, {{variant.parameter, variant.value}}});
  }
  return all;
}

}  // namespace p2plab
