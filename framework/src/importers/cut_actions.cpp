// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "importers/actions.h"

namespace p2plab {

namespace {

constexpr std::size_t most_pieces = std::size_t{1} << 22;

std::string text_of(const UnitPlace& place, std::int64_t count) {
  const char* name = place.buffer == 'i' ? "input" : (place.buffer == 'o' ? "output" : "scratch");
  return fmt::format("rank {} {}[{}..{}]", place.rank.value, name, place.first, place.first + count - 1);
}

// Where a unit of an input or output lies: in which block, and where in it.
struct InBlock {
  std::int32_t block = 0;
  std::int64_t unit = 0;
};

class Cutter {
 public:
  Cutter(const Collective& collective, const UnitBuffers& buffers, const std::vector<Action>& actions)
      : collective_(collective), buffers_(buffers), actions_(actions) {}

  std::variant<Schedule, ImportFault> run() {
    auto made = Schedule::Builder::create(collective_, static_cast<int>(buffers_.inputs.size()));
    if (!made) return fault(made.error().message);
    builder_.emplace(*std::move(made));
    lay_out();
    if (fault_) return *fault_;
    for (const bool by_unit : {false, true}) {
      if (fits(by_unit)) break;
      if (fault_) return *fault_;
    }
    find_channels();
    if (fault_) return *fault_;
    add_steps();
    auto schedule = std::move(*builder_).build();
    if (!schedule) return fault(schedule.error().message);
    return *std::move(schedule);
  }

 private:
  ImportFault fault(std::string message, std::size_t origin = 0) {
    if (!fault_) fault_ = ImportFault{std::move(message), origin};
    return *fault_;
  }

  // Blocks lie in buffers in order of their number; all have as many units.
  void lay_out() {
    const auto blocks = builder_->blocks();
    inputs_.resize(buffers_.inputs.size());
    outputs_.resize(buffers_.inputs.size());
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      for (const auto rank : blocks[b].contributors) inputs_[rank.index()].push_back(static_cast<std::int32_t>(b));
      for (const auto rank : blocks[b].receivers) outputs_[rank.index()].push_back(static_cast<std::int32_t>(b));
    }
    for (std::size_t r = 0; r < inputs_.size(); ++r) {
      for (const auto& [units, held, name] :
           {std::tuple{buffers_.inputs[r], inputs_[r].size(), "input"}, std::tuple{buffers_.outputs[r], outputs_[r].size(), "output"}}) {
        if (units == 0 || held == 0) continue;  // in place, files may leave one of them out
        const auto count = static_cast<std::int64_t>(held);
        if (units % count != 0 || (per_block_ != 0 && units / count != per_block_)) {
          fault(
              fmt::format("the {} of rank {} has {} chunks, which is no whole number for each of its {} blocks as elsewhere", name, r, units, count));
          return;
        }
        per_block_ = units / count;
      }
    }
    if (per_block_ == 0) fault("no buffer has a chunk");
  }

  std::optional<InBlock> in_block(const UnitPlace& place, std::int64_t unit) const {
    const auto& held = place.buffer == 'i' ? inputs_[place.rank.index()] : outputs_[place.rank.index()];
    const auto at = place.first + unit;
    if (at < 0 || at / per_block_ >= static_cast<std::int64_t>(held.size())) return std::nullopt;
    return InBlock{held[static_cast<std::size_t>(at / per_block_)], at % per_block_};
  }

  // Every place that an action touches.
  template <class Visit>
  static void each_place(const Action& action, const Visit& visit) {
    for (const auto& source : action.sources) visit(source);
    visit(action.destination);
  }

  using Scratch = std::map<std::pair<Rank, std::int64_t>, std::int64_t>;  // rank and first unit -> units
  struct Piece {
    std::int64_t first = 0;
    std::int64_t count = 0;
  };

  // Not so where blocks are mixed up.
  bool is_one_chunk(const UnitPlace& place, const Piece& piece) const {
    const auto at = in_block(place, piece.first);
    const auto& cuts = cuts_[static_cast<std::size_t>(at->block)];
    return cuts.contains(at->unit) && *cuts.upper_bound(at->unit) == at->unit + piece.count;
  }

  // Is what the piece takes of scratch the same as, or apart from, all that was taken before?
  static bool is_apart(const UnitPlace& place, const Piece& piece, Scratch& scratch) {
    const std::pair key{place.rank, place.first + piece.first};
    const auto known = scratch.try_emplace(key, piece.count).first;
    if (known->second != piece.count) return false;
    const auto after = std::next(known);
    if (after != scratch.end() && after->first.first == key.first && key.second + piece.count > after->first.second) return false;
    if (known == scratch.begin()) return true;
    const auto before = std::prev(known);
    return before->first.first != key.first || before->first.second + before->second <= key.second;
  }

  // Cuts blocks where actions begin and end, and actions where blocks are cut. It fits if scratch places are then the same or apart.
  bool fits(bool by_unit) {
    cuts_.assign(builder_->blocks().size(), {0, per_block_});
    for (const auto& action : actions_) {
      each_place(action, [&](const UnitPlace& place) {
        if (place.buffer == 's') return;
        const auto first = in_block(place, 0);
        const auto last = in_block(place, action.count - 1);
        if (!first || !last) return static_cast<void>(fault(text_of(place, action.count) + " lies outside its buffer", action.origin));
        cuts_[static_cast<std::size_t>(first->block)].insert(first->unit);
        cuts_[static_cast<std::size_t>(last->block)].insert(last->unit + 1);
      });
      if (fault_) return false;
    }
    if (by_unit && static_cast<std::size_t>(per_block_) > most_pieces / cuts_.size())
      return static_cast<void>(fault(fmt::format("its actions overlap so that {} blocks would need {} chunks each", cuts_.size(), per_block_))),
             false;
    if (by_unit) {
      for (auto& cuts : cuts_) {
        for (std::int64_t unit = 0; unit < per_block_; ++unit) cuts.insert(unit);
      }
    }
    Scratch scratch;
    std::size_t pieces = 0;
    for (const auto& action : actions_) {
      for (const auto& [first, count] : pieces_of(action, by_unit)) {
        if (++pieces > most_pieces) return static_cast<void>(fault(fmt::format("more than {} steps", most_pieces))), false;
        bool same = true;
        const Piece piece{first, count};
        each_place(action, [&](const UnitPlace& place) {
          same = same && (place.buffer == 's' ? is_apart(place, piece, scratch) : is_one_chunk(place, piece));
        });
        if (!same) return false;
      }
    }
    by_unit_ = by_unit;
    for (const auto& [place, units] : scratch) {
      auto& next = next_slot_[place.first];
      slots_[place] = next++;
    }
    return true;
  }

  std::vector<Piece> pieces_of(const Action& action, bool by_unit) const {
    std::set<std::int64_t> ends{action.count};
    if (by_unit) {
      for (std::int64_t unit = 1; unit < action.count; ++unit) ends.insert(unit);
    }
    each_place(action, [&](const UnitPlace& place) {
      if (place.buffer == 's') return;
      for (std::int64_t unit = 0; unit < action.count;) {
        const auto at = in_block(place, unit);
        const auto& cuts = cuts_[static_cast<std::size_t>(at->block)];
        unit += *cuts.upper_bound(at->unit) - at->unit;
        if (unit < action.count) ends.insert(unit);
      }
    });
    std::vector<Piece> pieces;
    std::int64_t begin = 0;
    for (const auto end : ends) {
      pieces.push_back({begin, end - begin});
      begin = end;
    }
    return pieces;
  }

  // The number of a chunk: block, then place in it.
  std::size_t chunk_at(const UnitPlace& place, std::int64_t unit) const {
    const auto at = in_block(place, unit);
    return static_cast<std::size_t>(first_chunk_[static_cast<std::size_t>(at->block)]) +
           static_cast<std::size_t>(
               std::distance(cuts_[static_cast<std::size_t>(at->block)].begin(), cuts_[static_cast<std::size_t>(at->block)].find(at->unit)));
  }

  // The lowest channel of each chunk: what moves is known from an input or output, or from what a scratch place was given.
  void find_channels() {
    std::size_t chunks = 0;
    for (const auto& cuts : cuts_) {
      first_chunk_.push_back(static_cast<std::int64_t>(chunks));
      chunks += cuts.size() - 1;
    }
    std::vector<std::optional<std::int32_t>> channel(chunks);
    std::map<std::pair<Rank, std::int64_t>, std::size_t> holds;
    for (const auto& action : actions_) {
      for (const auto& [first, count] : pieces_of(action, by_unit_)) {
        const auto& source = action.sources.front();
        std::optional<std::size_t> chunk;
        if (source.buffer != 's') {
          chunk = chunk_at(source, first);
        } else if (const auto held = holds.find({source.rank, source.first + first}); held != holds.end()) {
          chunk = held->second;
        }
        if (!chunk) return static_cast<void>(fault(text_of(source, count) + " is read before anything is written there", action.origin));
        if (action.destination.buffer == 's') holds[{action.destination.rank, action.destination.first + first}] = *chunk;
        channel[*chunk] = std::min(channel[*chunk].value_or(action.channel), action.channel);
      }
    }
    for (std::size_t b = 0, c = 0; b < cuts_.size(); ++b) {
      for (auto cut = cuts_[b].begin(); std::next(cut) != cuts_[b].end(); ++cut, ++c)
        builder_->add_chunk({static_cast<std::int32_t>(b), static_cast<std::uint32_t>(*std::next(cut) - *cut), channel[c].value_or(0)});
    }
  }

  Location location(const UnitPlace& place, std::int64_t unit) const {
    if (place.buffer == 's') return scratch(place.rank, slots_.at({place.rank, place.first + unit}));
    const ChunkId chunk{static_cast<std::int64_t>(chunk_at(place, unit))};
    return place.buffer == 'i' ? input(place.rank, chunk) : output(place.rank, chunk);
  }

  void add_steps() {
    for (const auto& action : actions_) {
      for (const auto& piece : pieces_of(action, by_unit_)) {
        std::vector<Location> sources;
        for (const auto& source : action.sources) sources.push_back(location(source, piece.first));
        const std::array destination{location(action.destination, piece.first)};
        builder_->add_step(action.rank, sources, destination);
      }
    }
  }

  const Collective& collective_;
  const UnitBuffers& buffers_;
  const std::vector<Action>& actions_;
  std::optional<Schedule::Builder> builder_;
  std::optional<ImportFault> fault_;
  std::int64_t per_block_ = 0;
  std::vector<std::vector<std::int32_t>> inputs_;  // by rank: blocks
  std::vector<std::vector<std::int32_t>> outputs_;
  std::vector<std::set<std::int64_t>> cuts_;                     // by block
  std::vector<std::int64_t> first_chunk_;                        // by block
  std::map<std::pair<Rank, std::int64_t>, std::int64_t> slots_;  // of scratch, by rank and first unit
  std::map<Rank, std::int64_t> next_slot_;
  bool by_unit_ = false;
};

}  // namespace

std::variant<Schedule, ImportFault> cut_actions(const Collective& collective, const UnitBuffers& buffers, const std::vector<Action>& actions) {
  return Cutter{collective, buffers, actions}.run();
}

}  // namespace p2plab
