// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/verify.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/schedule/dependencies.h"
#include "schedule/contributions.h"
#include "schedule/step_access.h"
#include "schedule/verify_symmetric.h"

namespace p2plab {

std::string describe(const Location& location) {
  return fmt::format("rank {} {}[{}]", location.rank.value, to_string(location.buffer), static_cast<std::uint32_t>(location.slot));
}

namespace {

// What lies in a location: a chunk and whose contributions are in it. `set` < 0: nothing yet.
struct Value {
  std::int32_t chunk = -1;
  std::int32_t set = -1;
};

}  // namespace

class Verifier {
 public:
  Verifier(const Topology& topology, const Schedule& schedule, const VerifyOptions& options)
      : topology_(topology),
        schedule_(schedule),
        reach_(topology, schedule),
        index_(schedule, options.in_place),
        sets_(schedule.ranks()),
        values_(index_.size()) {
    proof_.in_place_ = options.in_place;
    is_output_.assign(index_.size(), false);
    is_input_.assign(index_.size(), false);
    for (const auto& block : schedule.blocks()) complete_.push_back(sets_.of(block.contributors));
    for (std::size_t c = 0; c < schedule.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      const auto& block = schedule.block_of(chunk);
      for (const auto rank : block.receivers) is_output_[index_(output(rank, chunk))] = true;
      for (const auto rank : block.contributors) {
        is_input_[index_(input(rank, chunk))] = true;
        values_[index_(input(rank, chunk))] = {chunk.value, sets_.of({&rank, 1})};
      }
    }
  }

  Result<Proof> run() {
    if (schedule_.ranks() != topology_.ranks()) {
      return fail(fmt::format("the schedule is for {} ranks, the machine has {}", schedule_.ranks(), topology_.ranks()));
    }
    for (std::size_t i = 0; i < schedule_.step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      if (auto ok = execute(id, schedule_.base_step(id)); !ok) return std::move(ok).error();
    }
    if (auto ok = check_end(); !ok) return std::move(ok).error();
    return std::move(proof_);
  }

  // The base as a schedule of its own, then what its images need for the same proof to hold.
  static Result<Proof> prove_folded(const Topology& topology, const Schedule& schedule, const VerifyOptions& options) {
    const auto base = schedule.base();
    auto proof = Verifier{topology, base, options}.run();
    if (!proof) return proof;
    if (auto wrong = fault_of_images(topology, schedule)) return fail(*std::move(wrong));
    proof->folding_ = schedule.folding();
    proof->images_ = RankImages::of(schedule);
    proof->base_chunks_ = static_cast<std::int32_t>(schedule.base_chunk_count());
    return proof;
  }

 private:
  Status execute(StepId id, const Step& step) {
    for (std::size_t i = 0; i < step.sources.size(); ++i) {
      const auto route = step.routes.empty() ? default_route : step.routes[i];
      if (auto why = reach_.missing(step.executor, step.sources[i], route, true)) return fail(id, *why);
    }
    auto sum = add_up(id, step);
    if (!sum) return std::move(sum).error();
    for (std::size_t i = 0; i < step.destinations.size(); ++i) {
      const auto route = step.routes.empty() ? default_route : step.routes[step.sources.size() + i];
      if (auto why = reach_.missing(step.executor, step.destinations[i], route, false)) return fail(id, *why);
      if (auto ok = check_destination(id, step, i, sum->chunk); !ok) return ok;
    }
    for (const auto& destination : step.destinations) values_[index_(destination)] = *sum;
    proof_.chunks_.emplace_back(sum->chunk);
    proof_.completes_.push_back(step.sources.size() > 1 && sum->set == complete_of(sum->chunk));
    return {};
  }

  Result<Value> add_up(StepId id, const Step& step) {
    Value sum;
    for (const auto& source : step.sources) {
      const auto value = values_[index_(source)];
      if (value.set < 0) return fail(id, fmt::format("rank {} reads {}, where nothing has been written yet", step.executor.value, describe(source)));
      // In place the two names of a chunk share a number, also at a rank that has it in one buffer only.
      if (source.buffer == Buffer::output && !is_output_[index_(source)])
        return fail(id, fmt::format("reads {}, but that rank receives no such chunk", describe(source)));
      if (source.buffer == Buffer::input && !is_input_[index_(source)])
        return fail(id, fmt::format("reads {}, but that rank gives no such chunk", describe(source)));
      if (sum.set < 0) {
        sum = value;
        continue;
      }
      if (value.chunk != sum.chunk) {
        return fail(id, fmt::format("rank {} adds {}, which holds chunk {}, to a sum of chunk {}", step.executor.value, describe(source), value.chunk,
                                    sum.chunk));
      }
      const auto both = sets_.disjoint_union(sum.set, value.set);
      if (!both) {
        return fail(id, fmt::format("rank {} adds {}, which holds the contributions of {}, to a sum that already holds {}", step.executor.value,
                                    describe(source), sets_.describe(value.set), sets_.describe(sum.set)));
      }
      sum.set = *both;
    }
    return sum;
  }

  Status check_destination(StepId id, const Step& step, std::size_t which, std::int32_t chunk) {
    const auto& to = step.destinations[which];
    if (to.buffer == Buffer::input) return fail(id, fmt::format("writes {}; inputs belong to the caller", describe(to)));
    if (to.buffer == Buffer::output && !is_output_[index_(to)])
      return fail(id, fmt::format("writes {}, but that rank receives no such chunk", describe(to)));
    if (to.buffer == Buffer::output && static_cast<std::int32_t>(to.slot) != chunk) {
      return fail(id, fmt::format("writes chunk {} to {}, the place of chunk {}", chunk, describe(to), static_cast<std::uint32_t>(to.slot)));
    }
    for (std::size_t earlier = 0; earlier < which; ++earlier) {
      if (step.destinations[earlier] == to) return fail(id, fmt::format("writes {} twice", describe(to)));
    }
    return {};
  }

  Status check_end() {
    for (std::size_t c = 0; c < schedule_.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      const auto& block = schedule_.block_of(chunk);
      if (block.contributors.empty()) continue;
      const auto wanted = complete_of(chunk.value);
      for (const auto rank : block.receivers) {
        const auto place = output(rank, chunk);
        const auto value = values_[index_(place)];
        if (value.set == wanted && value.chunk == chunk.value) continue;
        return fail(fmt::format("at the end {} must hold the contributions of {}, found {}", describe(place), sets_.describe(wanted),
                                value.set < 0 ? "nothing" : sets_.describe(value.set)));
      }
    }
    return {};
  }

  std::int32_t complete_of(std::int32_t chunk) const {
    return complete_[static_cast<std::size_t>(schedule_.chunks()[static_cast<std::size_t>(chunk)].block)];
  }
  static Error fail(std::string message) { return Error{ErrorCode::verification_failed, std::move(message)}; }
  static Error fail(StepId step, const std::string& message) { return fail(fmt::format("step {}: {}", step.value, message)); }

  const Topology& topology_;
  const Schedule& schedule_;
  StepAccess reach_;
  LocationIndex index_;
  ContributionSets sets_;
  std::vector<Value> values_;
  std::vector<bool> is_output_;
  std::vector<bool> is_input_;
  std::vector<std::int32_t> complete_;  // per block: the set of its contributors
  Proof proof_;
};

Result<Proof> verify(const Topology& topology, const Schedule& schedule, const VerifyOptions& options) {
  if (!schedule.folding().folded()) return Verifier{topology, schedule, options}.run();
  return Verifier::prove_folded(topology, schedule, options);
}

}  // namespace p2plab
