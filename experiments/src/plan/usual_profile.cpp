// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
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

// GPUs of one architecture: the profile that stands for each (rule 8 of profiles/make.py).
constexpr auto relatives = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"a800", "a100"},     {"a30", "a100"},      {"a40", "pcie4"},     {"h20", "h100"},      {"h20-3e", "h100"},
     {"h800", "h100"},     {"gh200", "h100"},    {"b100", "b200"},     {"b300", "b200"},     {"gb200", "b200"},
     {"gb300", "b200"},    {"mi50", "mi100"},    {"mi60", "mi100"},    {"mi210", "mi250x"},  {"mi250", "mi250x"},
     {"mi300a", "mi300x"}, {"mi308x", "mi300x"}, {"mi325x", "mi300x"}, {"mi350x", "mi355x"}, {"pcie6", "pcie5"}});

std::string profile_for(const std::string& word) {
  if (known_profile(word)) return word;
  const auto* found = std::ranges::find(relatives, word, &std::pair<std::string_view, std::string_view>::first);
  return found == relatives.end() ? word : std::string{found->second};
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
  for (const auto& word : names) {
    const auto name = profile_for(word);
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
