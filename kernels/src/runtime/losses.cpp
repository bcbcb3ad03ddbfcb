// SPDX-License-Identifier: Apache-2.0
// What an engine does when its machine loses GPUs or links.
#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/engine.h"

namespace p2plab::runtime {

namespace {

std::vector<std::string> places(const std::map<int, std::string>& gpus) {
  std::vector<std::string> all;
  for (const auto& [rank, place] : gpus) all.push_back(place);
  return all;
}

}  // namespace

// Pairs that each process knows to be apart, together: one may have looked before another.
Result<std::vector<std::pair<int, int>>> Engine::pairs_apart(const RunningMachine& running) {
  const int mine = here_.begin()->first;
  for (int rank = 0; rank < ranks_; ++rank) {
    if (running.servers.together(Rank{rank}, Rank{mine})) gpus_[rank] = running.buses[static_cast<std::size_t>(rank)];
  }
  std::string said;
  for (const auto& [a, b] : loss().pairs) said += fmt::format("{} {}\n", a, b);
  const auto all = gathered(said);
  if (!all) return all.error();
  std::set<std::pair<int, int>> pairs;
  for (const auto& text : *all) {
    std::istringstream words(text);
    for (std::pair<int, int> pair; words >> pair.first >> pair.second;) pairs.insert(pair);
  }
  return std::vector<std::pair<int, int>>(pairs.begin(), pairs.end());
}

MachineLoss Engine::loss() const {
  if (options_.watch == Seconds{0}) return {};
  return loss_of(LinkWatch::of_process().look(places(gpus_)));
}

MachineLoss Engine::loss_of(const Loss& loss) const {
  MachineLoss ours;
  std::vector<std::string> texts;
  const auto ranks_at = [&](const std::string& place) {
    std::vector<int> ranks;
    for (const auto& [rank, its] : gpus_) {
      if (its == place) ranks.push_back(rank);
    }
    return ranks;
  };
  const auto named = [&](const std::string& place) {
    const auto ranks = ranks_at(place);
    return fmt::format("GPU {} (rank{} {})", place, ranks.size() > 1 ? "s" : "", fmt::join(ranks, ", "));
  };
  for (const auto& place : loss.gpus) {
    for (const int rank : ranks_at(place)) ours.ranks.push_back(rank);
    texts.push_back(fmt::format("{} is lost", named(place)));
  }
  for (const auto& [one, other] : loss.pairs) {
    for (const int a : ranks_at(one)) {
      for (const int b : ranks_at(other)) ours.pairs.emplace_back(std::min(a, b), std::max(a, b));
    }
    texts.push_back(fmt::format("no NVLink is left between {} and {}", named(one), named(other)));
  }
  for (const auto& [one, other] : loss.weakened)
    texts.push_back(
        fmt::format("some NVLinks between {} and {} are down, which is slower", named(one), other.empty() ? "its switches" : named(other)));
  if (loss.unanswered) texts.emplace_back("NVML does not answer, as it may where a GPU is lost");
  std::ranges::sort(ours.ranks);
  std::ranges::sort(ours.pairs);
  ours.text = fmt::format("{}", fmt::join(texts, "; "));
  return ours;
}

void Engine::watch_links() {
  if (ranks_ > 1) watching_ = LinkWatch::of_process().add(places(gpus_), options_.watch, [this](const Loss& loss) { lost(loss); });
}

void Engine::tell_losses(std::function<void(const MachineLoss&)> told) {
  const std::lock_guard lock(telling_);
  told_ = std::move(told);
}

// Calls may hang on what is gone, so they all end, alike on all ranks. What is only slower goes on.
void Engine::lost(const Loss& loss) {
  const auto ours = loss_of(loss);
  if (ours.ends_calls()) abort(ours.text + ": p2plab_comm_repair goes on with what is left");
  if (here_.contains(gpus_.begin()->first)) say(ours.text);
  const std::lock_guard lock(telling_);
  if (told_) told_(ours);
}

}  // namespace p2plab::runtime
