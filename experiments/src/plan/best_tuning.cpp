// SPDX-License-Identifier: Apache-2.0
#include "plan/best_tuning.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "p2plab/program/check.h"
#include "p2plab/program/packet_choice.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/packet_floor.h"
#include "plan/grain.h"

namespace p2plab {

namespace {

constexpr int most_blocks = 64;                      // of one rank: more than any GPU needs to fill its links
constexpr std::int64_t least_slice = 512;            // bytes: below, a flag of 16 bytes, which the model does not send, is more than 3 % of it
constexpr std::int64_t many_instructions = 1 << 14;  // from here on packets are counted before they are made
constexpr double rounding = 1e-6;                    // of rates and times in the model, at most
constexpr std::int64_t wire_sample = 120 * 128;      // bytes in whole lines of any protocol
constexpr double least_gain = 0.005;                 // what a finer tuning must gain to be worth it

// How many times the data's bytes a protocol sends.
template <class Wire>
double on_the_wire(Wire wire) {
  return static_cast<double>(wire_bytes(wire, Bytes{wire_sample}).count()) / wire_sample;
}

struct Trial : TimedProgram {
  Grain grain = {};
  Seconds busiest{0};  // what the program's busiest link needs
};

// Are programs of these tunings cut alike?
bool same_cut(const Tuning& a, const Tuning& b) {
  const auto form = [](const Tuning& t) { return std::tuple{t.blocks_per_lane, t.slice, t.slices, t.lane_per_step}; };
  return form(a) == form(b);
}

// Walks from the coarsest form to finer ones as long as the model says that it gains.
class Search {
 public:
  Search(const Evaluator& evaluator, const ProvedPlan& plan, const Payload& payload, const SearchLimits& limits)
      : evaluator_(evaluator), proved_(plan), plan_(*plan.plan), payload_(payload), limits_(limits) {}

  // A time of `never`: longer than useful.
  Result<Trial> best() {
    auto sliced = best_grain();
    if (!sliced || (is_too_long(sliced->program) && !sliced->program.folded)) return sliced;
    // Other protocols, by packets, which are not cut into slices: what they save is waiting, what they cost is bytes.
    std::vector<PacketWire> tried;
    std::array protocols{Protocol::ll, Protocol::ll128, Protocol::lamport};
    // Packets of large programs take seconds. LL's carry half of what Lamport's do, so where there are those, LL's are asked for no more.
    const bool lamport_first = whole_instructions_of(sliced->program) >= many_instructions &&
                               wire_for(Protocol::lamport, sliced->program, evaluator_.peer_access()) == PacketWire::lamport;
    if (lamport_first) std::ranges::reverse(protocols);
    bool lamport_tried = false, columns_by_ll = false;  // by which LL128's lines would go, too
    for (const auto protocol : protocols) {
      const auto wire = wire_for(protocol, sliced->program, evaluator_.peer_access());
      const bool known = std::ranges::find(tried, wire) != tried.end() || (sliced->program.packets && sliced->program.packets->wire == wire);
      if (known || !can_gain(*sliced, wire) || (lamport_tried && wire == PacketWire::ll) || (columns_by_ll && wire == PacketWire::ll128)) continue;
      tried.push_back(wire);
      auto tuning = tuning_of(sliced->grain);
      tuning.protocol = protocol;
      auto trial = try_packets(*sliced, tuning, wire);
      const bool gains = trial && trial->time.count() < sliced->time.count() * (1 - least_gain);
      lamport_tried = lamport_tried || (lamport_first && wire == PacketWire::lamport);
      columns_by_ll = columns_by_ll || (wire == PacketWire::ll && trial && trial->program.packets && trial->program.packets->columns > 1);
      if (gains) sliced = *std::move(trial);
    }
    return sliced;
  }

 private:
  Result<Trial> best_grain() {
    auto start = evaluator_.lowered(proved_, payload_, plan_.tuning);
    if (!start) return std::move(start).error();
    const bool whole = start->packets || is_whole(*start);
    auto timed = this->timed(*std::move(start), {}, whole ? limits_.useful : never);
    if (!timed) return timed;
    Trial best = *std::move(timed);
    if (best.program.packets) return best;  // where no slice could go: there is nothing to cut
    if (best.program.instructions.size() > most_searched_instructions) {
      least_ = best.time;
      return best;
    }
    least_ = best.busiest * ((1 - rounding) / on_the_wire(best.program.tuning.protocol));
    for (const auto& instruction : best.program.instructions) largest_ = std::max(largest_, instruction.bytes);
    uneven_ = std::ranges::any_of(best.program.instructions, [&](const Instruction& i) { return i.bytes < largest_ / 2; });
    // The planner's suggestion stands beside the walk; the walk starts from one slice.
    if (is_long(best.program) && plan_.tuning.slice.count() != 0) best = from_suggestion(std::move(best));
    if (!late() && is_useful(plan_.tuning.protocol) && (plan_.tuning.blocks_per_lane != 1 || plan_.tuning.slice.count() != 0)) {
      auto coarse = try_tuning(tuning_of({}), {}, whole ? limits_.useful : never);
      if (!coarse) return coarse;
      auto walked = finer(dealt_out(walk(*std::move(coarse))));
      return walked.time < best.time ? std::move(walked) : std::move(best);
    }
    return finer(dealt_out(walk(std::move(best))));
  }

  // The walk from one slice does not get far then: for each step it takes as many slices more. So the planner's suggestion is improved.
  static bool is_long(const Program& program) { return whole_instructions_of(program) * 4 > most_slices; }
  Trial from_suggestion(Trial best) {
    const auto slices_of = [&](const Tuning& tuning) { return instructions_of(best.program) * (largest_ / tuning.slice.count()); };
    const auto most = best.program.folded ? 3 * most_of_folded : std::max(most_of_whole, 2 * slices_of(best.program.tuning));
    for (bool gains = true; std::exchange(gains, false) && !late();) {
      for (const auto& [more_blocks, finer] : {std::pair{2, 1}, std::pair{1, 2}}) {
        auto tuning = best.program.tuning;
        tuning.blocks_per_lane *= more_blocks;
        tuning.slice = Bytes{tuning.slice.count() / finer};
        if (best.program.blocks() * more_blocks > most_blocks || tuning.slice.count() < least_slice || slices_of(tuning) > most) continue;
        auto trial = try_below(best.time * (1 - least_gain), tuning, {});
        gains = gains || trial;
        if (trial) best = *std::move(trial);
      }
    }
    return best;
  }

  // Chunks of unequal weight share a link by their weights only if all are cut into as many slices; and no step waits behind another if each has a
  // lane of its own. What helps is walked on from, and then perhaps the other helps, too.
  Trial dealt_out(Trial best) {
    if (best.grain.slices() == 1 || is_large(best.program) || !can_gain(best, plan_.tuning.protocol)) return best;
    const auto instructions = instructions_of(best.program);
    std::optional<Trial> next;
    for (const auto& [counted, apart] : {std::pair{true, false}, std::pair{false, true}, std::pair{true, true}}) {
      auto grain = best.grain;
      if (late() || (counted && (grain.counted || !uneven_)) || (apart && (grain.apart || !fit_apart(best.program, grain)))) continue;
      grain.counted |= counted;
      grain.apart |= apart;
      // More slices may begin to gain only now.
      for (const int finer : {1, 4}) {
        grain.slices_per_block *= finer;
        if (finer > 1 && (largest_ / grain.slices() < least_slice || instructions * grain.slices() > finer * most_slices)) continue;
        auto trial = try_below(best.time * (1 - least_gain), tuning_of(grain), grain);
        if (trial && (!next || trial->time < next->time)) next = *std::move(trial);
      }
    }
    if (!next || next->time.count() > best.time.count() * (1 - least_gain)) return best;
    return dealt_out(walk(*std::move(next)));
  }

  // Takes as few copies of lanes as leave room for one a step; false where that is too many lanes, or the same as before.
  bool fit_apart(const Program& now, Grain& grain) const {
    const auto apart = evaluator_.lowered(proved_, payload_, {.lane_per_step = true});
    if (!apart || apart->lanes.size() == now.lanes.size()) return false;
    for (; grain.blocks_per_lane > 1 && apart->blocks() * grain.blocks_per_lane > most_blocks; grain.blocks_per_lane /= 2)
      grain.slices_per_block *= 2;
    return apart->blocks() * grain.blocks_per_lane <= std::max(most_blocks, now.blocks());
  }

  Trial walk(Trial best) {
    const Stride stride{.leaps = is_large(best.program), .most = most_slices_of(best.program)};
    return walk(std::move(best), stride);
  }

  // Where few slices of each instruction are as many as three trials a step may cost: on from there in leaps, as large programs walk from the start.
  Trial finer(Trial best) {
    const Stride stride{.leaps = true, .most = most_in_leaps(best.program), .hopes = true};
    return is_large(best.program) ? best : walk(std::move(best), stride);
  }

  // What is above the busiest link's time is mostly filling and draining, which twice as many slices halve at best. Is enough affordable?
  bool has_hope(const Trial& best, std::int64_t most) const {
    const auto finer = std::max(1.0, static_cast<double>(most) / static_cast<double>(instructions_of(best.program) * best.grain.slices()));
    return least_ + (best.time - least_) / finer <= limits_.useful;
  }

  struct Stride {
    bool leaps = false;  // the first step that gains is taken, else the best
    std::int64_t most = 0;
    bool hopes = false;  // only as long as that may lead below what is useful
  };
  Trial walk(Trial best, const Stride& stride) {
    using Finer = std::pair<int, int>;  // times so many blocks, slices
    const auto steps = stride.leaps ? std::vector<Finer>{{4, 1}, {1, 4}, {2, 1}, {1, 2}} : std::vector<Finer>{{2, 1}, {1, 2}, {2, 2}};
    while (can_gain(best, plan_.tuning.protocol) && (!stride.hopes || has_hope(best, stride.most))) {
      std::optional<Trial> next;
      for (const auto& [more_blocks, more_slices] : steps) {
        auto grain = best.grain;
        grain.blocks_per_lane *= more_blocks;
        grain.slices_per_block *= more_slices;
        if (!worth_trying(best.program, grain, stride.most)) continue;
        auto trial = try_below(best.time * (1 - least_gain), tuning_of(grain), grain);
        if (trial && (!next || trial->time < next->time)) next = *std::move(trial);
        if (next && stride.leaps) break;
      }
      if (!next || next->time.count() > best.time.count() * (1 - least_gain)) return best;
      best = *std::move(next);
    }
    return best;
  }

  // However a program is cut, its busiest link needs its time for the protocol's bytes.
  template <class Wire>
  bool can_gain(const Trial& best, Wire wire) const {
    return !late() && is_useful(wire) && least_ * on_the_wire(wire) < best.time * (1 - least_gain);
  }
  template <class Wire>
  bool is_useful(Wire wire) const {
    return least_ * on_the_wire(wire) <= limits_.useful;
  }

  bool late() const { return limits_.stop && limits_.stop(); }

  bool worth_trying(const Program& now, const Grain& grain, std::int64_t most) const {
    if (late()) return false;
    const auto slices = grain.slices();
    const auto lanes = now.blocks() / std::max(1, now.tuning.blocks_per_lane);
    if (grain.blocks_per_lane > 1 && lanes * grain.blocks_per_lane > most_blocks) return false;
    return largest_ / slices >= least_slice && instructions_of(now) * slices <= most;
  }

  Tuning tuning_of(const Grain& grain) const {
    const auto slices = grain.slices();
    const bool by_bytes = slices > 1 && !grain.counted;
    return {.blocks_per_lane = grain.blocks_per_lane,
            .slice = Bytes{by_bytes ? (largest_ + slices - 1) / slices : 0},
            .protocol = plan_.tuning.protocol,
            .slices = grain.counted ? static_cast<int>(slices) : 0,
            .lane_per_step = grain.apart};
  }

  // None where that takes longer than `limit`, which its bound mostly says without a simulation.
  std::optional<Trial> try_below(Seconds limit, const Tuning& tuning, Grain grain) const { return if_useful(try_tuning(tuning, grain, limit)); }
  static std::optional<Trial> if_useful(Result<Trial> trial) {
    return trial && trial->time < never ? std::optional(*std::move(trial)) : std::nullopt;
  }

  // Packets hang neither on lanes nor on slices, so those of what is lowered already are timed.
  std::optional<Trial> try_packets(Trial& sliced, const Tuning& tuning, PacketWire wire) {
    const auto limit = std::min(sliced.time * (1 - least_gain), limits_.useful);
    auto& known = sliced.program;
    if (known.packets) return try_below(limit, tuning, sliced.grain);
    if (whole_instructions_of(known) >= many_instructions && packet_floor(traffic_of(known), wire, evaluator_.profile()) * (1 - rounding) > limit)
      return std::nullopt;
    if (known.folded) {
      // Images may share the ways of tokens alone; then packets are made of the whole.
      auto folded = evaluator_.lowered_folded(proved_, payload_, tuning);
      if (folded && *folded) return if_useful(timed(**std::move(folded), sliced.grain, limit));
      return is_too_long(known) ? std::nullopt : try_below(limit, tuning, sliced.grain);
    }
    const auto was = std::exchange(known.tuning, tuning);
    known.packets = choose_packets(known, evaluator_.peer_access());
    const auto found = evaluator_.time_below(limit, known, &proved_);
    const bool gains = found && found->time;
    std::optional<Trial> trial;
    if (gains && same_cut(was, tuning)) trial = Trial{{known, *found->time}, sliced.grain, found->busiest};
    known.packets = nullptr;
    known.tuning = was;
    return gains && !trial ? try_below(limit, tuning, sliced.grain) : std::move(trial);
  }

  // The same for all wires, and for however fine a cut.
  const PacketTraffic& traffic_of(const Program& program) {
    if (traffic_.sent.empty()) traffic_ = program.folded ? packet_traffic(plan_.schedule, proved_.proof, program) : packet_traffic(program);
    return traffic_;
  }

  Result<Trial> try_tuning(const Tuning& tuning, Grain grain, Seconds limit) const {
    auto program = evaluator_.lowered(proved_, payload_, tuning);
    if (!program) return std::move(program).error();
    return timed(*std::move(program), grain, limit);
  }

  Result<Trial> timed(Program program, Grain grain, Seconds limit) const {
    const auto found = evaluator_.time_below(limit, program, &proved_);
    if (!found) return found.error();
    return Trial{{std::move(program), found->time.value_or(never)}, grain, found->busiest};
  }

  const Evaluator& evaluator_;
  const ProvedPlan& proved_;
  const Plan& plan_;
  const Payload& payload_;
  SearchLimits limits_;
  std::int64_t largest_ = 0;  // bytes of the largest instruction
  bool uneven_ = false;       // some instruction has less than half of that
  PacketTraffic traffic_;     // if it was asked for
  Seconds least_{0};          // no tuning takes less, if the protocol adds no bytes
};

}  // namespace

Result<std::optional<TimedProgram>> best_tuning(const Evaluator& evaluator, const ProvedPlan& plan, const Payload& payload,
                                                const SearchLimits& limits) {
  auto best = Search(evaluator, plan, payload, limits).best();
  if (!best) return std::move(best).error();
  if (best->time > limits.useful) return std::optional<TimedProgram>{};
  // A form that is hardly useful may not be the one that is found without a limit, which takes a step only if it gains enough.
  if (best->time > limits.useful * (1 - least_gain)) return best_tuning(evaluator, plan, payload, {limits.stop});
  return std::optional{TimedProgram{std::move(best->program), best->time}};
}

}  // namespace p2plab
