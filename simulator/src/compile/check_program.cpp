// SPDX-License-Identifier: Apache-2.0
#include "compile/check_program.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

namespace p2plab {

namespace {

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

class Checker {
 public:
  /// Each lane stands for `copies` lanes.
  Checker(const Topology& topology, const Program& program, int copies) : topology_(topology), program_(program), copies_(copies) {}

  Status run() const {
    if (program_.ranks() != topology_.ranks()) {
      return bad(fmt::format("the program is for {} ranks, topology '{}' has {}", program_.ranks(), topology_.name(), topology_.ranks()));
    }
    if (program_.tuning.parts < 1 || program_.tuning.parts > 4096)
      return bad(fmt::format("parts must be from 1 to 4096, found {}", program_.tuning.parts));
    if (program_.tuning.slice.count() < 0 || program_.tuning.slices < 0) return bad("the size or number of slices is negative");
    std::uint64_t first = 0;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      if (!known(lane.rank)) return bad(fmt::format("lane {} belongs to rank {}, which is not there", l, lane.rank.value));
      if (lane.first != first) return bad(fmt::format("lane {} begins at instruction {}, expected {}", l, lane.first, first));
      first += lane.count;
    }
    if (first != program_.instructions.size())
      return bad(fmt::format("the lanes hold {} instructions, the program {}", first, program_.instructions.size()));
    for (std::size_t i = 0; i < program_.instructions.size(); ++i) {
      if (auto ok = check_instruction(i); !ok) return ok;
    }
    if (auto ok = check_total(); !ok) return ok;
    return check_routes();
  }

 private:
  Status check_instruction(std::size_t index) const {
    const auto& i = program_.instructions[index];
    const auto wrong = [&](const char* what) { return bad(fmt::format("instruction {} (step {}) {}", index, i.step.value, what)); };
    if (i.bytes < 0 || i.bytes > std::int64_t{1} << 50) return wrong("moves an impossible number of bytes");
    if (std::uint64_t{i.operands} + i.sources + i.destinations > program_.operands.size()) return wrong("names operands that are not there");
    if (std::uint64_t{i.waits} + i.wait_count > program_.waits.size()) return wrong("names waits that are not there");
    for (const auto& operand : std::span{program_.operands}.subspan(i.operands, std::size_t{i.sources} + i.destinations)) {
      if (!known(operand.rank)) return wrong("names a rank that is not there");
      const auto route = operand.route.value;
      if (route < -1 || route + 1 >= static_cast<std::int64_t>(program_.route_offsets.size())) return wrong("names a route that is not there");
    }
    for (const auto& wait : program_.waits_of(i)) {
      const auto lanes = program_.lanes.size();
      if (wait.lane.value < 0 || wait.lane.index() >= lanes * static_cast<std::size_t>(copies_)) return wrong("waits for a lane that is not there");
      if (wait.instruction < 0 || static_cast<std::uint32_t>(wait.instruction) >= program_.lanes[wait.lane.index() % lanes].count) {
        return wrong("waits for an instruction that is not there");
      }
    }
    return {};
  }

  // Sums must fit, too.
  Status check_total() const {
    double total = 0;
    double slices = 0;
    for (const auto& i : program_.instructions) {
      total += static_cast<double>(i.bytes) * (i.sources + i.destinations);
      slices += static_cast<double>(program_.slices(i));
    }
    if (slices * copies_ > 0x1p31) return Error{ErrorCode::unsupported, "the program has more than 2^31 slices; use larger ones"};
    total *= copies_;
    constexpr double most = 1e18;
    if (total > most)
      return Error{ErrorCode::unsupported, fmt::format("the program moves {} bytes in all; at most {} can be simulated", total, most)};
    return {};
  }

  Status check_routes() const {
    const auto& offsets = program_.route_offsets;
    if (offsets.empty() || !std::ranges::is_sorted(offsets) || offsets.back() > program_.route_links.size())
      return bad("the program's routes are inconsistent");
    for (const auto link : program_.route_links) {
      if (link.value < 0 || link.index() >= topology_.links().size())
        return bad(fmt::format("a route names link {}, which is not there", link.value));
    }
    return {};
  }

  bool known(Rank rank) const { return rank.value >= 0 && rank.value < topology_.ranks(); }

  const Topology& topology_;
  const Program& program_;
  int copies_;
};

}  // namespace

Status check_program(const Topology& topology, const Program& program) { return Checker{topology, program, 1}.run(); }

Status check_pattern(const Topology& topology, const Pattern& pattern) {
  std::int64_t ranks = 1;
  for (const int extent : pattern.extents) {
    if (extent < 1 || ranks * extent > std::int64_t{1} << 24)
      return bad(fmt::format("a pattern's extents must be at least 1 and make up at most 2^24 ranks, found {}", extent));
    ranks *= extent;
  }
  if (ranks != pattern.program.ranks())
    return bad(fmt::format("the pattern's extents make {} ranks, its program is for {}", ranks, pattern.program.ranks()));
  for (const auto& lane : pattern.program.lanes) {
    if (lane.rank != Rank{0}) return bad(fmt::format("a pattern has lanes of rank 0 only, found one of rank {}", lane.rank.value));
  }
  for (const auto& operand : pattern.program.operands) {
    if (operand.route != default_route || operand.buffer == Buffer::host) return bad("a pattern has no explicit routes and no host memory");
  }
  return Checker{topology, pattern.program, static_cast<int>(ranks)}.run();
}

}  // namespace p2plab
