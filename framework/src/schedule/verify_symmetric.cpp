// SPDX-License-Identifier: Apache-2.0
#include "schedule/verify_symmetric.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"
#include "schedule/step_access.h"

namespace p2plab {

namespace {

// A transfer that some step of the base needs, and the first step that needs it.
struct Need {
  Rank executor;
  Location location;  // any of its kind at its rank
  RouteId route;
  bool reads = false;
  StepId step;
};

class ImageCheck {
 public:
  ImageCheck(const Topology& topology, const Schedule& schedule)
      : schedule_(schedule),
        reach_(topology, schedule),
        all_connected_(topology.routes().kinds().all_connected()),
        marked_(static_cast<std::size_t>(schedule.ranks()), -1) {}

  std::optional<std::string> run() {
    const auto needs = needs_of_base();
    for (int image = 1; image < schedule_.folding().images(); ++image) {
      if (auto fault = fault_of_blocks(image)) return fault;
      for (const auto& need : needs) {
        if (auto why = reach_.missing(schedule_.in_image(image, need.executor), schedule_.in_image(image, need.location),
                                      schedule_.in_image(image, need.route), need.reads))
          return fmt::format("step {}: {}", schedule_.folding().id_of(image, need.step).value, *why);
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<Need> needs_of_base() const {
    std::vector<Need> needs;
    std::unordered_set<std::uint64_t> on_default;
    std::set<std::pair<std::uint64_t, std::int32_t>> on_route;
    for (std::size_t i = 0; i < schedule_.base_step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      const auto step = schedule_.base_step(id);
      const auto add = [&](const Location& location, std::size_t operand, bool reads) {
        const auto route = step.routes.empty() ? default_route : step.routes[operand];
        const bool in_host = location.buffer == Buffer::host;
        if (route == default_route && !in_host && location.rank == step.executor) return;
        const auto ends = static_cast<std::uint64_t>(step.executor.value) << 32 | static_cast<std::uint64_t>(location.rank.value) << 2 |
                          (in_host ? 2U : 0U) | (reads ? 1U : 0U);
        const bool first = route == default_route ? on_default.insert(ends).second : on_route.emplace(ends, route.value).second;
        if (!first || (route == default_route && !in_host && all_connected_)) return;
        needs.push_back({step.executor, location, route, reads, id});
      };
      for (std::size_t s = 0; s < step.sources.size(); ++s) add(step.sources[s], s, true);
      for (std::size_t d = 0; d < step.destinations.size(); ++d) add(step.destinations[d], step.sources.size() + d, false);
    }
    return needs;
  }

  std::optional<std::string> fault_of_blocks(int image) {
    std::pair<std::int32_t, std::int32_t> last{-1, -1};
    for (std::size_t c = 0; c < schedule_.base_chunk_count(); ++c) {
      const ChunkId base{static_cast<std::int64_t>(c)};
      const auto chunk = schedule_.in_image(image, base);
      const auto pair = std::pair{schedule_.chunks()[base.index()].block, schedule_.chunks()[chunk.index()].block};
      if (pair == last) continue;
      last = pair;
      const auto& from = schedule_.block_of(base);
      const auto& to = schedule_.block_of(chunk);
      if (from.contributors.empty() && to.contributors.empty()) continue;  // nobody gives anything, so nothing is owed
      const bool same = moved(image, from.contributors, to.contributors) && moved(image, from.receivers, to.receivers);
      if (!same)
        return fmt::format("image {} moves chunk {} to chunk {}, whose block has other senders or receivers", image, base.value, chunk.value);
    }
    return std::nullopt;
  }

  // Is one set of ranks the other, moved by the image?
  bool moved(int image, const RankList& from, const RankList& to) {
    if (from.size() != to.size()) return false;
    ++mark_;
    for (const auto rank : from) marked_[schedule_.in_image(image, rank).index()] = mark_;
    return std::ranges::all_of(to, [&](Rank rank) { return marked_[rank.index()] == mark_; });
  }

  const Schedule& schedule_;
  StepAccess reach_;
  bool all_connected_;
  std::vector<std::int64_t> marked_;  // by rank: the last set that held it
  std::int64_t mark_ = 0;
};

}  // namespace

std::optional<std::string> fault_of_images(const Topology& topology, const Schedule& schedule) { return ImageCheck{topology, schedule}.run(); }

}  // namespace p2plab
