// SPDX-License-Identifier: Apache-2.0
#include "latency/emit.h"

#include <algorithm>
#include <map>

namespace p2plab {

namespace {

const char* const advice = "use tree or ring";

bool copies(CollectiveKind kind) {
  using enum CollectiveKind;
  return kind == all_gather || kind == broadcast || kind == reduce || kind == reduce_scatter || kind == all_reduce;
}

// The rank from which a block's chunks travel, on the model that its kind runs on.
int giver_of(const Collective& collective, const Block& block) {
  return runs_backwards(collective.kind) ? block.receivers.front().value : block.contributors.front().value;
}

Move move_of(const StepHop& hop, ChunkId chunk, int steps, bool backwards, int first_round) {
  const Rank from{hop.from};
  const Rank to{hop.to};
  return backwards ? Move{first_round + steps - hop.step, chunk, to, from} : Move{first_round + hop.step - 1, chunk, from, to};
}

// Chunks of every block, with the places of a plan's items: items of one sender (and receiver) serve its blocks in order.
std::vector<Move> moves_of(DataFlow& flow, const Collective& collective, const StepPlan& plan) {
  const bool backwards = runs_backwards(collective.kind);
  const bool by_taker = !copies(collective.kind);
  std::map<std::pair<int, int>, std::vector<ChunkId>> waiting;
  for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
    const auto block = flow.blocks()[b];
    for (int c = 0; c < plan.chunks; ++c) {
      const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, 0});
      if (block.contributors.empty() || block.receivers.empty()) continue;
      waiting[{giver_of(collective, block), by_taker ? block.receivers.front().value : -1}].push_back(chunk);
    }
  }
  std::map<std::pair<int, int>, std::size_t> served;
  std::vector<Move> moves;
  for (const auto& item : plan.items) {
    const std::pair key{item.sender, item.receiver};
    const auto chunk = waiting.at(key)[served[key]++];
    for (const auto& hop : item.hops) moves.push_back(move_of(hop, chunk, plan.steps(), backwards, 0));
  }
  return moves;
}

// A sum that lies at a rank: whose contributions are in it.
struct Part {
  Location place;
  std::vector<int> of;
};

// All-reduce where senders choose which of the parts that they hold they add and send.
class Summing {
 public:
  static Result<Summing> create(const Topology& topology, const Collective& collective, int chunks) {
    auto builder = Schedule::Builder::create(collective, topology.ranks());
    if (!builder) return std::move(builder).error();
    return Summing(*std::move(builder), topology.ranks(), chunks);
  }

  // What arrives from now on is not sent before the next step.
  void begin_step() {
    for (std::size_t i = 0; i < parts_.size(); ++i) ready_[i] = parts_[i].size();
  }

  // Sends the parts of `chunk` whose contributions are among `wanted`; nothing to send means no step.
  void send(int from, int to, int chunk, const std::vector<int>& wanted) {
    std::vector<Location> sources;
    Part sent;
    for (std::size_t p = 0; p < ready_[index(from, chunk)]; ++p) {
      const auto& part = at(from, chunk)[p];
      if (!std::ranges::all_of(part.of, [&](int r) { return std::ranges::find(wanted, r) != wanted.end(); })) continue;
      sources.push_back(part.place);
      sent.of.insert(sent.of.end(), part.of.begin(), part.of.end());
    }
    if (sources.empty()) return;
    sent.place = scratch(Rank{to}, slots_[static_cast<std::size_t>(to)]++);
    builder_.add_step(Rank{from}, sources, std::vector{sent.place});
    at(to, chunk).push_back(std::move(sent));
  }

  // Everyone adds up what there is; then the plan is ready.
  Result<Plan> finish(PlanWords words) && {
    for (const auto rank : builder_.blocks().front().receivers) {
      for (int c = 0; c < chunks_; ++c) {
        std::vector<Location> sources;
        for (const auto& part : at(rank.value, c)) sources.push_back(part.place);
        if (!sources.empty()) builder_.add_step(rank, sources, std::vector{output(rank, ChunkId{c})});
      }
    }
    auto schedule = std::move(builder_).build();
    if (!schedule) return std::move(schedule).error();
    return Plan{.schedule = *std::move(schedule), .planner = "latency", .parameters = std::move(words.parameters), .reason = std::move(words.reason)};
  }

 private:
  Summing(Schedule::Builder builder, int ranks, int chunks)
      : builder_(std::move(builder)),
        chunks_(chunks),
        parts_(static_cast<std::size_t>(ranks * chunks)),
        ready_(parts_.size()),
        slots_(static_cast<std::size_t>(ranks)) {
    for (int c = 0; c < chunks; ++c) {
      const auto chunk = builder_.add_chunk({});
      for (const auto rank : builder_.blocks().front().contributors) at(rank.value, c).push_back({input(rank, chunk), {rank.value}});
    }
  }
  std::size_t index(int rank, int chunk) const { return static_cast<std::size_t>(rank * chunks_ + chunk); }
  std::vector<Part>& at(int rank, int chunk) { return parts_[index(rank, chunk)]; }

  Schedule::Builder builder_;
  int chunks_;
  std::vector<std::vector<Part>> parts_;  // by rank and chunk
  std::vector<std::size_t> ready_;        // how many of them may be sent in the step at hand
  std::vector<std::int64_t> slots_;
};

}  // namespace

bool runs_backwards(CollectiveKind kind) { return kind == CollectiveKind::reduce || kind == CollectiveKind::reduce_scatter; }

StepTask task_of(const Collective& collective, std::span<const Block> blocks, int ranks) {
  const auto n = static_cast<std::size_t>(ranks);
  StepTask task{copies(collective.kind), std::vector<std::vector<int>>(n, std::vector<int>(n))};
  if (collective.kind == CollectiveKind::all_reduce) {
    for (const auto sender : collective.members) {
      for (const auto receiver : collective.members) task.wanted[sender.index()][receiver.index()] = sender == receiver ? 0 : 1;
    }
    return task;
  }
  for (const auto& block : blocks) {
    if (block.contributors.empty() || block.receivers.empty()) continue;
    const auto sender = static_cast<std::size_t>(giver_of(collective, block));
    for (const auto receiver : runs_backwards(collective.kind) ? block.contributors : block.receivers) {
      if (receiver.index() != sender) ++task.wanted[sender][receiver.index()];
    }
  }
  return task;
}

Result<Plan> emit(const Topology& topology, const Collective& collective, const StepPlan& plan, PlanWords words) {
  auto flow = DataFlow::create(topology, collective);
  if (!flow) return std::move(flow).error();
  push_in_rounds(*flow, moves_of(*flow, collective, plan));
  return std::move(*flow).finish("latency", std::move(words.parameters), std::move(words.reason), advice);
}

Result<Plan> emit_both(const Topology& topology, const Collective& collective, const StepPlan& scatter, const StepPlan& gather, PlanWords words) {
  auto flow = DataFlow::create(topology, collective);
  if (!flow) return std::move(flow).error();
  std::map<int, std::vector<ChunkId>> chunks;
  for (const auto rank : collective.members) {
    for (int c = 0; c < gather.chunks; ++c) chunks[rank.value].push_back(flow->add_chunk({}));
  }
  std::vector<Move> moves;
  for (const bool second : {false, true}) {
    const auto& plan = second ? gather : scatter;
    std::map<int, std::size_t> served;
    for (const auto& item : plan.items) {
      const auto chunk = chunks.at(item.sender)[served[item.sender]++];
      for (const auto& hop : item.hops) moves.push_back(move_of(hop, chunk, plan.steps(), !second, second ? scatter.steps() : 0));
    }
  }
  push_in_rounds(*flow, std::move(moves));
  return std::move(*flow).finish("latency", std::move(words.parameters), std::move(words.reason), advice);
}

Result<Plan> emit_gathered(const Topology& topology, const Collective& collective, const StepPlan& gather, PlanWords words) {
  auto summing = Summing::create(topology, collective, gather.chunks);
  if (!summing) return std::move(summing).error();
  std::map<int, int> served;
  struct Send {
    StepHop hop;
    int sender;
    int chunk;
  };
  std::vector<Send> sends;
  for (const auto& item : gather.items) {
    const int chunk = served[item.sender]++;
    for (const auto& hop : item.hops) sends.push_back({hop, item.sender, chunk});
  }
  std::ranges::stable_sort(sends, {}, [](const Send& s) { return s.hop.step; });
  int step = 0;
  for (const auto& [hop, sender, chunk] : sends) {
    if (hop.step != step) summing->begin_step();
    step = hop.step;
    summing->send(hop.from, hop.to, chunk, {sender});
  }
  return std::move(*summing).finish(std::move(words));
}

Result<Plan> emit_sum(const Topology& topology, const Collective& collective, const SumPlan& sum, PlanWords words) {
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  const auto block = builder->blocks().front();
  struct ChunkSend {
    std::size_t chunk = 0;
    SumSend send = {};
  };
  std::vector<ChunkSend> sends;
  std::vector<std::vector<std::vector<std::optional<Location>>>> parts;  // by chunk and rank; none where a silent rank has nothing to give
  for (std::size_t c = 0; c < sum.chunks.size(); ++c) {
    const auto chunk = builder->add_chunk({});
    parts.emplace_back(ranks);
    for (const auto rank : collective.members) parts.back()[rank.index()].emplace_back(std::nullopt);
    for (const auto rank : block.contributors) parts.back()[rank.index()].front() = input(rank, chunk);
    auto of_chunk = parts_of(sum.chunks[c], collective.members, topology.ranks());
    expects(of_chunk.has_value());  // the search found it before
    for (auto& send : *of_chunk) sends.push_back({c, std::move(send)});
  }
  std::ranges::stable_sort(sends, {}, [](const ChunkSend& s) { return s.send.hop.step; });
  std::vector<std::int64_t> slots(ranks);
  for (const auto& [c, send] : sends) {
    const Rank from{send.hop.from};
    const Rank to{send.hop.to};
    std::vector<Location> sources;
    for (const auto part : send.parts) {
      if (const auto& place = parts[c][from.index()][part]) sources.push_back(*place);
    }
    parts[c][to.index()].emplace_back(std::nullopt);
    if (sources.empty()) continue;
    const auto place = scratch(to, slots[to.index()]++);
    builder->add_step(from, sources, std::vector{place});
    parts[c][to.index()].back() = place;
  }
  for (const auto rank : block.receivers) {
    for (std::size_t c = 0; c < parts.size(); ++c) {
      std::vector<Location> sources;
      for (const auto& place : parts[c][rank.index()]) {
        if (place) sources.push_back(*place);
      }
      if (!sources.empty()) builder->add_step(rank, sources, std::vector{output(rank, ChunkId{static_cast<std::int64_t>(c)})});
    }
  }
  auto schedule = std::move(*builder).build();
  if (!schedule) return std::move(schedule).error();
  return Plan{.schedule = *std::move(schedule), .planner = "latency", .parameters = std::move(words.parameters), .reason = std::move(words.reason)};
}

}  // namespace p2plab
