#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "check_program.h"
#include "compiled.h"
#include "machine_paths.h"
#include "own_dependencies.h"

namespace p2plab {

namespace {

void take_profile(Compiled& out, const Program& program, const Profile& profile) {
  const auto rate = [](const std::optional<Bandwidth>& value) { return value ? value->bytes_per_second() : 0; };
  const bool flags = program.tuning.protocol == Protocol::simple;
  out.tuning = program.tuning;
  out.parts = static_cast<std::uint32_t>(program.tuning.parts);
  out.signal_peer = to_sim_time(flags ? profile.fence + profile.signal_peer : profile.poll).count();
  out.signal_local = to_sim_time(profile.signal_local).count();
  out.slice_cost = to_sim_time(profile.slice_cost).count();
  out.read_request = profile.read_request;
  out.outstanding = static_cast<std::uint32_t>(profile.outstanding);
  out.store.rate = rate(profile.store_rate);
  out.load.rate = rate(profile.load_rate);
  out.reduce.rate = rate(profile.reduce_rate);
  const auto ranks = program.ranks();
  for (int r = 0; r < ranks; ++r) {
    const auto share = ranks > 1 ? static_cast<double>(r) / (ranks - 1) : 0.0;
    out.starts.push_back(to_sim_time(profile.launch + share * profile.start_skew).count());
  }
}

bool is_local(const Lane& lane, const Operand& operand) { return operand.rank == lane.rank && operand.buffer != Buffer::host; }

// Works in order of instructions. `path_of(lane, operand, reads)` gives a remote operand's path reference, or an error; `wait_of(wait)` the
// awaited lane's reference.
template <class PathReference, class LaneReference>
Status make_works(Compiled& out, const Program& program, PathReference path_of, LaneReference lane_of) {
  out.works.reserve(program.instructions.size());
  out.waits.reserve(program.waits.size());
  for (const auto& lane : program.lanes) {
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& i = program.instructions[index];
      Work work{.bytes = i.bytes, .paths = static_cast<std::uint32_t>(out.path_refs.size()), .waits = static_cast<std::uint32_t>(out.waits.size()),
                .wait_count = i.wait_count};
      const auto slices = program.slices(i);
      if (slices > std::int64_t{1} << 31) return Error{ErrorCode::unsupported, "the program has more than 2^31 slices; use larger ones"};
      work.slices = static_cast<std::uint32_t>(slices);
      for (std::uint32_t o = 0; o < std::uint32_t{i.sources} + i.destinations; ++o) {
        const auto& operand = program.operands[i.operands + o];
        const bool reads = o < i.sources;
        if (is_local(lane, operand)) {
          ++work.local_operands;
          continue;
        }
        auto path = path_of(lane, operand, reads);
        if (!path) {
          auto error = std::move(path).error();
          error.message = fmt::format("{} (step {}): there is no path", error.message, i.step.value);
          return error;
        }
        out.path_refs.push_back(*path);
        ++(reads ? work.sources : work.destinations);
      }
      for (const auto& wait : program.waits_of(i)) {
        const auto& awaited = program.lanes[wait.lane.index() % program.lanes.size()];
        const auto at = awaited.first + static_cast<std::uint32_t>(wait.instruction);
        out.waits.push_back({lane_of(wait), at, static_cast<std::uint32_t>(program.slices(program.instructions[at]))});
      }
      out.works.push_back(work);
    }
  }
  return {};
}

// Needs works, and the lanes of `program` alone.
Status count_slices(Compiled& out, const Program& program, std::int64_t copies) {
  out.before.resize(out.works.size() * out.parts);
  out.totals.resize(program.lanes.size() * out.parts);
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto& lane = program.lanes[l];
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const std::uint32_t slices = out.works[index].slices;
      out.slices += slices * copies;
      if (out.slices > std::int64_t{1} << 31) return Error{ErrorCode::unsupported, "the program has more than 2^31 slices; use larger ones"};
      for (std::uint32_t p = 0; p < out.parts; ++p) {
        auto& total = out.totals[l * out.parts + p];
        out.before[std::size_t{index} * out.parts + p] = total;
        total += slices > p ? (slices - p + out.parts - 1) / out.parts : 0;
      }
    }
  }
  return {};
}

Error no_path(const Topology& topology, Rank executor, const Operand& operand, bool reads) {
  return {ErrorCode::invalid_input, fmt::format("rank {} cannot {} rank {}{} on '{}'", executor.value, reads ? "read from" : "write to", operand.rank.value,
                                                operand.buffer == Buffer::host ? "'s host memory" : "", topology.name())};
}

// The paths of a program, each made when first used.
class ProgramPaths {
 public:
  ProgramPaths(const Topology& topology, const Routes& routes, const Program& program, MachinePaths& machine)
      : topology_(topology), routes_(routes), program_(program), machine_(machine) {}

  Result<std::uint32_t> of(Rank executor, const Operand& operand, bool reads) {
    const bool in_host = operand.buffer == Buffer::host;
    const auto kind = operand.route == default_route ? (in_host ? 2U : 0U) + (reads ? 1U : 0U) : 4U;
    const auto key = operand.route == default_route
                         ? (static_cast<std::uint64_t>(executor.value) << 31 | static_cast<std::uint64_t>(operand.rank.value)) << 3 | kind
                         : static_cast<std::uint64_t>(operand.route.value) << 3 | kind;
    if (key == last_key_) return last_path_;
    const auto found = known_.find(key);
    if (found == known_.end()) {
      const auto links = operand.route != default_route ? program_.route(operand.route)
                         : in_host ? (reads ? routes_.from_host(operand.rank, executor) : routes_.to_host(executor, operand.rank))
                                   : (reads ? routes_.between(operand.rank, executor) : routes_.between(executor, operand.rank));
      if (links.empty()) return no_path(topology_, executor, operand, reads);
      last_path_ = machine_.add(links);
      known_.emplace(key, last_path_);
    } else {
      last_path_ = found->second;
    }
    last_key_ = key;
    return last_path_;
  }

 private:
  const Topology& topology_;
  const Routes& routes_;
  const Program& program_;
  MachinePaths& machine_;
  std::unordered_map<std::uint64_t, std::uint32_t> known_;
  std::uint64_t last_key_ = ~std::uint64_t{0};
  std::uint32_t last_path_ = 0;
};

// What rank 0 refers to, numbered by first use.
struct Slots {
  std::map<std::pair<std::int32_t, bool>, std::uint32_t> paths;   // (peer, reads)
  std::map<std::int32_t, std::uint32_t> lanes;
};

// Every rank's paths and awaited lanes, in the order of rank 0's.
Status spread(Compiled& out, const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Slots& slots, MachinePaths& machine) {
  std::vector<std::pair<Rank, bool>> peers(slots.paths.size());
  for (const auto& [key, slot] : slots.paths) peers[slot] = {Rank{key.first}, key.second};
  std::vector<std::uint32_t> awaited(slots.lanes.size());
  for (const auto& [lane, slot] : slots.lanes) awaited[slot] = static_cast<std::uint32_t>(lane);
  const auto& base = pattern.program.lanes;
  const auto per_rank = static_cast<std::uint32_t>(base.size());
  for (int r = 0; r < pattern.ranks(); ++r) {
    const auto paths = static_cast<std::uint32_t>(out.paths.size());
    const auto lanes = static_cast<std::uint32_t>(out.lane_table.size());
    for (const auto& [peer, reads] : peers) {
      const auto other = pattern.seen_from(Rank{r}, peer);
      const auto links = reads ? path_of(other, Rank{r}) : path_of(Rank{r}, other);
      if (links.empty()) return no_path(topology, Rank{r}, {.rank = other}, reads);
      machine.add(links);
    }
    for (const auto lane : awaited) {
      const auto rank = pattern.seen_from(Rank{r}, Rank{lane / per_rank});
      out.lane_table.push_back(static_cast<std::uint32_t>(rank.value) * per_rank + lane % per_rank);
    }
    for (const auto& lane : base) out.lanes.push_back({Rank{r}, lane.first, lane.count, paths, lanes});
  }
  return {};
}

}  // namespace

void Pace::compute(std::int64_t amount) {
  bytes = amount;
  if (rate <= 0) return;
  constexpr std::int64_t picoseconds = 1'000'000'000'000;
  if (amount < 9'000'000) {   // most: the product fits
    const auto product = amount * picoseconds;
    time = product / rate + (product % rate != 0 ? 1 : 0);
    return;
  }
  __extension__ using Wide = __int128;
  const auto exact = (static_cast<Wide>(amount) * picoseconds + rate - 1) / rate;
  time = exact > latest ? latest : static_cast<std::int64_t>(exact);
}

Result<Compiled> compile(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile) {
  if (auto ok = check(profile); !ok) return std::move(ok).error();
  if (auto ok = check_program(topology, program); !ok) return std::move(ok).error();
  Compiled out;
  take_profile(out, program, profile);
  MachinePaths machine(topology, profile, out);
  ProgramPaths paths(topology, routes, program, machine);
  auto ok = make_works(
      out, program, [&](const Lane& lane, const Operand& operand, bool reads) { return paths.of(lane.rank, operand, reads); },
      [](const Wait& wait) { return static_cast<std::uint32_t>(wait.lane.value); });
  if (!ok) return std::move(ok).error();
  if (ok = count_slices(out, program, 1); !ok) return std::move(ok).error();
  find_own_dependencies(program, out.works);
  for (const auto& lane : program.lanes) out.lanes.push_back({lane.rank, lane.first, lane.count, 0, 0});
  return out;
}

Result<Compiled> compile(const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Profile& profile) {
  if (auto ok = check(profile); !ok) return std::move(ok).error();
  if (auto ok = check_pattern(topology, pattern); !ok) return std::move(ok).error();
  Compiled out;
  take_profile(out, pattern.program, profile);
  MachinePaths machine(topology, profile, out);
  Slots slots;
  auto ok = make_works(
      out, pattern.program,
      [&](const Lane&, const Operand& operand, bool reads) -> Result<std::uint32_t> {
        const auto slot = static_cast<std::uint32_t>(slots.paths.size());
        return slots.paths.try_emplace({operand.rank.value, reads}, slot).first->second;
      },
      [&](const Wait& wait) { return slots.lanes.try_emplace(wait.lane.value, static_cast<std::uint32_t>(slots.lanes.size())).first->second; });
  if (!ok) return std::move(ok).error();
  if (ok = count_slices(out, pattern.program, pattern.ranks()); !ok) return std::move(ok).error();
  find_own_dependencies(pattern.program, out.works);
  if (ok = spread(out, topology, path_of, pattern, slots, machine); !ok) return std::move(ok).error();
  const auto mine = out.totals;
  for (int r = 1; r < pattern.ranks(); ++r) out.totals.insert(out.totals.end(), mine.begin(), mine.end());
  return out;
}

}  // namespace p2plab
