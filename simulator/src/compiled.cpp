#include "compiled.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

namespace p2plab {

namespace {

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

struct Place {
  std::uint64_t buffer = 0;
  std::int64_t offset = 0;
  friend bool operator==(const Place&, const Place&) = default;
};
struct PlaceHash {
  std::size_t operator()(const Place& place) const { return (place.buffer * 0x9E3779B97F4A7C15U) ^ (static_cast<std::uint64_t>(place.offset) >> 4); }
};

class Compiler {
 public:
  Compiler(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile)
      : topology_(topology), routes_(routes), program_(program), profile_(profile) {}

  Result<Compiled> run() {
    if (auto ok = check(profile_); !ok) return std::move(ok).error();
    if (auto ok = check_shape(); !ok) return std::move(ok).error();
    out_.program = &program_;
    out_.parts = static_cast<std::uint32_t>(program_.tuning.parts);
    take_profile();
    make_resources();
    if (auto ok = find_paths(); !ok) return std::move(ok).error();
    if (auto ok = count_slices(); !ok) return std::move(ok).error();
    find_own_dependencies();
    return std::move(out_);
  }

 private:
  Status check_shape() const {
    if (program_.ranks() != topology_.ranks()) {
      return bad(fmt::format("the program is for {} ranks, topology '{}' has {}", program_.ranks(), topology_.name(), topology_.ranks()));
    }
    if (program_.tuning.parts < 1 || program_.tuning.parts > 4096) return bad(fmt::format("parts must be from 1 to 4096, found {}", program_.tuning.parts));
    if (program_.tuning.slice.count() < 0) return bad("the slice size is negative");
    std::uint64_t first = 0;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      if (!known(lane.rank)) return bad(fmt::format("lane {} belongs to rank {}, which is not there", l, lane.rank.value));
      if (lane.first != first) return bad(fmt::format("lane {} begins at instruction {}, expected {}", l, lane.first, first));
      first += lane.count;
    }
    if (first != program_.instructions.size()) return bad(fmt::format("the lanes hold {} instructions, the program {}", first, program_.instructions.size()));
    for (std::size_t i = 0; i < program_.instructions.size(); ++i) {
      if (auto ok = check_instruction(i); !ok) return ok;
    }
    if (auto ok = check_total(); !ok) return ok;
    return check_routes();
  }

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
      if (wait.lane.value < 0 || wait.lane.index() >= program_.lanes.size()) return wrong("waits for a lane that is not there");
      if (wait.instruction < 0 || static_cast<std::uint32_t>(wait.instruction) >= program_.lanes[wait.lane.index()].count) {
        return wrong("waits for an instruction that is not there");
      }
    }
    return {};
  }

  Status check_routes() const {
    const auto& offsets = program_.route_offsets;
    if (offsets.empty() || !std::ranges::is_sorted(offsets) || offsets.back() > program_.route_links.size()) return bad("the program's routes are inconsistent");
    for (const auto link : program_.route_links) {
      if (link.value < 0 || link.index() >= topology_.links().size()) return bad(fmt::format("a route names link {}, which is not there", link.value));
    }
    return {};
  }

  bool known(Rank rank) const { return rank.value >= 0 && rank.value < topology_.ranks(); }

  void take_profile() {
    const auto rate = [](const std::optional<Bandwidth>& value) { return value ? value->bytes_per_second() : 0; };
    const bool flags = program_.tuning.protocol == Protocol::simple;
    out_.signal_peer = to_sim_time(flags ? profile_.fence + profile_.signal_peer : profile_.poll).count();
    out_.signal_local = to_sim_time(profile_.signal_local).count();
    out_.slice_cost = to_sim_time(profile_.slice_cost).count();
    out_.read_request = profile_.read_request;
    out_.outstanding = static_cast<std::uint32_t>(profile_.outstanding);
    out_.store.rate = rate(profile_.store_rate);
    out_.load.rate = rate(profile_.load_rate);
    out_.reduce.rate = rate(profile_.reduce_rate);
    const auto ranks = topology_.ranks();
    for (int r = 0; r < ranks; ++r) {
      const auto share = ranks > 1 ? static_cast<double>(r) / (ranks - 1) : 0.0;
      out_.starts.push_back(to_sim_time(profile_.launch + share * profile_.start_skew).count());
    }
  }

  std::uint32_t add_resource(std::string name, Bandwidth rate) {
    out_.resources.push_back({.free = 0, .pace = {.rate = rate.bytes_per_second()}});
    out_.names.push_back(std::move(name));
    return static_cast<std::uint32_t>(out_.resources.size() - 1);
  }

  void make_resources() {
    for (const auto& link : topology_.links()) {
      const auto rate = static_cast<std::int64_t>(static_cast<double>(link.bandwidth.bytes_per_second()) * profile_.link_efficiency);
      add_resource(fmt::format("{} -> {}", topology_.node(link.from).name, topology_.node(link.to).name),
                   profile_.link_efficiency == 1 ? link.bandwidth : Bandwidth::bytes_per_second(std::max<std::int64_t>(rate, 1)));
    }
    groups_of_.resize(topology_.links().size());
    for (const auto& group : topology_.groups()) {
      const auto resource = add_resource("group " + group.name, group.bandwidth);
      for (const auto link : group.links) groups_of_[link.index()].push_back(resource);
    }
    for (const auto& node : topology_.nodes()) {
      egress_.push_back(node.egress ? static_cast<std::int32_t>(add_resource("egress of " + node.name, *node.egress)) : -1);
      ingress_.push_back(node.ingress ? static_cast<std::int32_t>(add_resource("ingress of " + node.name, *node.ingress)) : -1);
    }
    if (!profile_.memory_rate) return;
    for (int r = 0; r < topology_.ranks(); ++r) {
      const auto& name = topology_.node(topology_.node_of(Rank{r})).name;
      out_.memories.push_back(static_cast<std::int32_t>(add_resource("memory of " + name, *profile_.memory_rate)));
    }
  }

  // The link comes first: it paces the thread block. Then what it shares with others, then the way to the next node.
  std::int32_t add_path(std::span<const LinkId> links) {
    Path path{.first = static_cast<std::uint32_t>(out_.stages.size())};
    for (const auto id : links) {
      const auto& link = topology_.link(id);
      out_.stages.push_back({static_cast<std::uint32_t>(id.value), 0});
      if (egress_[link.from.index()] >= 0) out_.stages.push_back({static_cast<std::uint32_t>(egress_[link.from.index()]), 0});
      for (const auto group : groups_of_[id.index()]) out_.stages.push_back({group, 0});
      out_.stages.back().latency = to_sim_time(link.latency).count();
      path.latency += out_.stages.back().latency;
      if (ingress_[link.to.index()] >= 0) out_.stages.push_back({static_cast<std::uint32_t>(ingress_[link.to.index()]), 0});
    }
    path.end = static_cast<std::uint32_t>(out_.stages.size());
    out_.paths.push_back(path);
    return static_cast<std::int32_t>(out_.paths.size() - 1);
  }

  Status find_paths() {
    out_.path_of.assign(program_.operands.size(), -1);
    out_.info.resize(program_.instructions.size());
    for (const auto& lane : program_.lanes) {
      for (auto index = lane.first; index < lane.first + lane.count; ++index) {
        const auto& i = program_.instructions[index];
        auto& info = out_.info[index];
        for (std::uint32_t o = 0; o < std::uint32_t{i.sources} + i.destinations; ++o) {
          const auto& operand = program_.operands[i.operands + o];
          if (operand.rank == lane.rank && operand.buffer != Buffer::host) {
            ++info.local_operands;
            continue;
          }
          const bool reads = o < i.sources;
          const auto path = path_for(lane.rank, operand, reads);
          if (path < 0) {
            return bad(fmt::format("rank {} cannot {} rank {}{} on '{}' (step {}): there is no path", lane.rank.value, reads ? "read from" : "write to",
                                   operand.rank.value, operand.buffer == Buffer::host ? "'s host memory" : "", topology_.name(), i.step.value));
          }
          out_.path_of[i.operands + o] = path;
          ++(reads ? info.remote_sources : info.remote_destinations);
        }
      }
    }
    return {};
  }

  std::int32_t path_for(Rank executor, const Operand& operand, bool reads) {
    const bool in_host = operand.buffer == Buffer::host;
    const auto kind = operand.route == default_route ? (in_host ? 2U : 0U) + (reads ? 1U : 0U) : 4U;
    const auto key = operand.route == default_route
                         ? (static_cast<std::uint64_t>(executor.value) << 31 | static_cast<std::uint64_t>(operand.rank.value)) << 3 | kind
                         : static_cast<std::uint64_t>(operand.route.value) << 3 | kind;
    if (key == last_key_) return last_path_;
    const auto [entry, fresh] = known_.try_emplace(key, -1);
    if (fresh) {
      const auto links = operand.route != default_route ? program_.route(operand.route)
                         : in_host ? (reads ? routes_.from_host(operand.rank, executor) : routes_.to_host(executor, operand.rank))
                                   : (reads ? routes_.between(operand.rank, executor) : routes_.between(executor, operand.rank));
      if (!links.empty()) entry->second = add_path(links);
    }
    last_key_ = key;
    return last_path_ = entry->second;
  }

  // Sums of bytes, too, must fit.
  Status check_total() const {
    double total = 0;
    for (const auto& i : program_.instructions) total += static_cast<double>(i.bytes) * (i.sources + i.destinations);
    constexpr double most = 1e18;
    if (total > most) return Error{ErrorCode::unsupported, fmt::format("the program moves {} bytes in all; at most {} can be simulated", total, most)};
    return {};
  }

  Status count_slices() {
    out_.before.resize(program_.instructions.size() * out_.parts);
    out_.totals.resize(program_.lanes.size() * out_.parts);
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      for (auto index = lane.first; index < lane.first + lane.count; ++index) {
        const auto slices = program_.slices(program_.instructions[index]);
        out_.info[index].slices = slices;
        out_.slices += slices;
        if (out_.slices > std::int64_t{1} << 31) return Error{ErrorCode::unsupported, "the program has more than 2^31 slices; use larger ones"};
        for (std::uint32_t p = 0; p < out_.parts; ++p) {
          auto& total = out_.totals[l * out_.parts + p];
          out_.before[std::size_t{index} * out_.parts + p] = total;
          total += static_cast<std::uint32_t>(slices > p ? (slices - p + out_.parts - 1) / out_.parts : 0);
        }
      }
    }
    return {};
  }

  // Within a lane the list's order carries dependencies; only reading what the lane itself wrote takes waiting for the write to arrive.
  void find_own_dependencies() {
    for (const auto& lane : program_.lanes) {
      std::uint32_t written = 0;
      std::uint32_t read = 0;
      each_operand(lane, [&](std::uint32_t, const Operand& operand, bool reads) { (reads ? read : written) |= class_of(lane, operand); });
      if ((written & read) == 0) continue;
      writers_.clear();
      each_operand(lane, [&](std::uint32_t index, const Operand& operand, bool reads) {
        if ((class_of(lane, operand) & written & read) == 0) return;
        const auto key = key_of(operand);
        if (!reads) {
          writers_[key] = index;
          return;
        }
        const auto found = writers_.find(key);
        if (found != writers_.end()) out_.info[index].own_dependency = std::max(out_.info[index].own_dependency, static_cast<std::int32_t>(found->second));
      });
    }
  }

  template <class Visit>
  void each_operand(const Lane& lane, Visit visit) const {
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& i = program_.instructions[index];
      for (const auto& operand : program_.sources(i)) visit(index, operand, true);
      for (const auto& operand : program_.destinations(i)) visit(index, operand, false);
    }
  }

  static std::uint32_t class_of(const Lane& lane, const Operand& operand) {
    return 1U << (static_cast<std::uint32_t>(operand.buffer) + (operand.rank == lane.rank ? 0U : 4U));
  }
  // Operands overlap exactly if they begin at the same byte of the same buffer: chunks lie at fixed places.
  static Place key_of(const Operand& operand) {
    return {static_cast<std::uint64_t>(operand.rank.value) << 2 | static_cast<std::uint64_t>(operand.buffer), operand.offset};
  }

  const Topology& topology_;
  const Routes& routes_;
  const Program& program_;
  const Profile& profile_;
  Compiled out_;
  std::vector<std::vector<std::uint32_t>> groups_of_;   // by link
  std::vector<std::int32_t> egress_;                    // by node: resource or -1
  std::vector<std::int32_t> ingress_;
  std::unordered_map<std::uint64_t, std::int32_t> known_;
  std::unordered_map<Place, std::uint32_t, PlaceHash> writers_;
  std::uint64_t last_key_ = ~std::uint64_t{0};
  std::int32_t last_path_ = -1;
};

}  // namespace

void Pace::compute(std::int64_t amount) {
  bytes = amount;
  if (rate <= 0) return;
  __extension__ using Wide = __int128;
  const auto exact = (static_cast<Wide>(amount) * 1'000'000'000'000 + rate - 1) / rate;
  time = exact > latest ? latest : static_cast<std::int64_t>(exact);
}

Result<Compiled> compile(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile) {
  return Compiler{topology, routes, program, profile}.run();
}

}  // namespace p2plab
