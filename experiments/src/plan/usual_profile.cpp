// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/gpu_kind.h"

namespace p2plab {

namespace {

// "Tesla V100 SXM2": tesla, v100, sxm2.
std::vector<std::string> words_of(const std::string& title) {
  std::vector<std::string> words(1);
  for (const char c : title) {
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

bool joined_by_links_of_their_own(const Topology& topology) {
  return std::ranges::any_of(topology.links(), [](const Link& link) { return link.kind == LinkKind::nvlink || link.kind == LinkKind::other; });
}

}  // namespace

Result<std::optional<Profile>> usual_profile(const Topology& topology) {
  const auto kind = gpu_kind(topology);
  if (!kind) return std::optional<Profile>{};
  auto names = joined_by_links_of_their_own(topology) ? words_of(kind->title) : std::vector<std::string>{};
  // Those of servers have their links for a reason: what PCIe GPUs cost would be wrong for them.
  const bool of_pcie = names.empty() || kind->title.find("RTX") != std::string::npos;
  if (of_pcie) names.push_back(fmt::format("pcie{}", kind->pcie_generation));
  for (const auto& name : names) {
    if (!known_profile(name)) continue;
    auto profile = load_profile(name);
    if (!profile) return std::move(profile).error();
    return std::optional{*std::move(profile)};
  }
  return std::optional<Profile>{};
}

std::string why_no_profile() {
  if (known_profiles().size() > 1) return "nothing tells what this machine's GPUs cost";  // there are more than the ideal one
  return fmt::format("there are no profiles in {} (P2PLAB_PROFILES names another folder)", fmt::join(profile_folders(), ", "));
}

}  // namespace p2plab
