// SPDX-License-Identifier: Apache-2.0
#include "sources/device_peers.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "p2plab/detail/named.h"

namespace p2plab {

namespace {

constexpr auto through_host = "data between GPUs goes through host memory";

// nvidia-smi's words, by its legend.
constexpr std::array reasons{Named{"CNS", "the chipset does not support it"},  Named{"GNS", "the GPU does not support it"},
                             Named{"TNS", "the topology does not support it"}, Named{"NS", "not supported"},
                             Named{"DR", "disabled by a registry key"},        Named{"U", "unknown"}};

std::string reason_of(const std::string& word) {
  for (const auto& [name, reason] : reasons) {
    if (word == name) return fmt::format("; {}: {}", word, reason);
  }
  return {};
}

}  // namespace

DevicePeers::DevicePeers(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const DeviceFabric& fabric, const MachineAnswers& answers)
    : tree_(tree), gpus_(gpus), fabric_(fabric), refused_(gpus.size() * gpus.size()), passes_(gpus.size()) {
  if (gpus.size() > 1) choose(answers);
  bool beside = false;  // PCIe that carries both kinds
  for (std::size_t rank = 0; rank < gpus.size(); ++rank) beside = beside || (refuses(rank) && !staged(rank));
  if (beside)
    values_.push_back({"data through host memory", "as fast as PCIe", Origin::assumed,
                       "what memory and root complex leave of it, no description tells (reports: 0.07 to 0.46): p2plab bench measures it"});
  for (std::size_t a = 0; a < gpus.size(); ++a) {
    for (std::size_t b = 0; b < gpus.size(); ++b) passes_[a] = passes_[a] || (refused(a, b) && share_a_bridge(a, b));
  }
}

void DevicePeers::refuse(std::size_t a, std::size_t b) { refused_[a * gpus_.size() + b] = refused_[b * gpus_.size() + a] = true; }

bool DevicePeers::any_refused() const { return std::ranges::find(refused_, true) != refused_.end(); }

bool DevicePeers::refuses(std::size_t rank) const {
  for (std::size_t other = 0; other < gpus_.size(); ++other) {
    if (refused(rank, other)) return true;
  }
  return false;
}

bool DevicePeers::staged(std::size_t rank) const {
  for (std::size_t other = 0; other < gpus_.size(); ++other) {
    if (other != rank && !refused(rank, other) && !fabric_.joins(gpus_[rank], gpus_[other])) return false;
  }
  return refuses(rank);
}

void DevicePeers::choose(const MachineAnswers& answers) {
  if (answers.peer_access) {
    if (!*answers.peer_access) refuse_without_links();
    return note(any_refused() ? refused_text() : "between all GPUs", Origin::read, "--machine peer_access");
  }
  if (tree_.peers.size() == refused_.size()) return refuse_by_words();
  if (fabric_.joins_all()) return;
  const auto* model = tree_.model != nullptr ? tree_.model : known_gpu_model(answers.gpu);
  if (model != nullptr && model->peers != PeerPolicy::yes) {
    refuse_without_links();
    return note(refused_text(), Origin::known, fmt::format("table of GPUs: the driver refuses it to {}, unless patched", model->title));
  }
  note("between all GPUs", Origin::assumed, tree_.peers_missing, "peer_access");
}

void DevicePeers::refuse_without_links() {
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      if (!fabric_.joins(gpus_[a], gpus_[b])) refuse(a, b);
    }
  }
}

void DevicePeers::refuse_by_words() {
  std::set<std::string> words;
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      const auto& word = tree_.peers[a * gpus_.size() + b];
      if (a == b || word == "OK") continue;
      refuse(a, b);
      words.insert(word);
    }
  }
  auto source = tree_.peers_source;
  for (const auto& word : words) source += reason_of(word);
  note(words.empty() ? "between all GPUs" : refused_text(), Origin::read, source);
}

void DevicePeers::note(std::string value, Origin origin, std::string source, std::string key) {
  values_.push_back({"peer access over PCIe", std::move(value), origin, std::move(source), std::move(key)});
}

// "none: data between GPUs goes through host memory (CNS)"; the pairs where they are not all.
std::string DevicePeers::refused_text() const {
  std::vector<std::string> without;
  std::set<std::string> words;
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = a + 1; b < gpus_.size(); ++b) {
      if (!refused(a, b)) continue;
      const auto word = tree_.peers.size() == refused_.size() ? tree_.peers[a * gpus_.size() + b] : std::string{};
      without.push_back(fmt::format("gpu{} - gpu{}{}", a, b, word.empty() ? "" : fmt::format(" ({})", word)));
      words.insert(word);
    }
  }
  const auto all = gpus_.size() * (gpus_.size() - 1) / 2;
  if (without.size() < all) return fmt::format("between all GPUs but {}, whose data goes through host memory", fmt::join(without, ", "));
  const bool one_word = words.size() == 1 && !words.begin()->empty();
  return fmt::format("none: {}{}", through_host, one_word ? fmt::format(" ({})", *words.begin()) : "");
}

bool DevicePeers::share_a_bridge(std::size_t a, std::size_t b) const {
  std::set<int> above;
  for (auto at = tree_.devices[gpus_[a]].parent; at >= 0; at = tree_.devices[static_cast<std::size_t>(at)].parent) above.insert(at);
  for (auto at = tree_.devices[gpus_[b]].parent; at >= 0; at = tree_.devices[static_cast<std::size_t>(at)].parent) {
    if (above.contains(at)) return true;
  }
  return false;
}

Mask DevicePeers::refused_links() const {
  Mask mask;
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      if (refused(a, b) && fabric_.joins(gpus_[a], gpus_[b])) mask.links.push_back({.from = fmt::format("gpu{}", b), .to = fmt::format("gpu{}", a)});
    }
  }
  return mask;
}

}  // namespace p2plab
