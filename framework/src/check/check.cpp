// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/check.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "check/ahead.h"
#include "check/describe.h"
#include "check/order.h"
#include "check/places.h"
#include "check/prove.h"
#include "check/sums.h"

namespace p2plab {

using checking::Content;
using checking::Extent;
using checking::none;
using checking::nothing;

/// Takes the instructions through memory in one of the sequences that lanes and waits allow. Where every two accesses that matter to each other are
/// ordered, any other sequence ends the same.
class ProgramChecker {
 public:
  ProgramChecker(const Program& program, std::vector<Block> blocks, const checking::Owed& owed)
      : program_(program),
        blocks_(std::move(blocks)),
        owed_(owed),
        layout_(program.collective, blocks_, program.ranks(), program.payload),
        order_(program),
        sums_(program.ranks()) {}

  Result<ProgramProof> run() {
    auto owners = checking::owners_of(program_);
    if (!owners) return std::move(owners).error();
    owners_ = *std::move(owners);
    if (auto ok = order_.find_sequence(owners_); !ok) return std::move(ok).error();
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      if (!owed_.any_of(b)) blocks_[b].contributors = blocks_[b].receivers = {};
    }
    places_.emplace(program_, owners_, blocks_, layout_, sums_);
    for (const auto& block : blocks_) complete_.push_back(sums_.set_of(block.contributors));
    for (std::size_t at = 0; at < order_.sequence().size(); ++at) {
      look_ahead(at);
      if (auto ok = execute(order_.sequence()[at]); !ok) return std::move(ok).error();
    }
    if (auto ok = check_end(); !ok) return std::move(ok).error();
    return proof_;
  }

 private:
  static constexpr std::uint64_t most_work = std::uint64_t{1} << 30;  // stretches and waits looked at: seconds
  enum class Use { reads, writes };
  static std::string_view to_string(Use use) { return use == Use::reads ? "reads" : "writes"; }

  static Error fail(std::string message) { return Error{ErrorCode::verification_failed, std::move(message)}; }
  Error fail(std::uint32_t instruction, const std::string& message) const { return fail(checking::name_of(program_, instruction) + " " + message); }

  // Asks for what instructions further on will touch.
  void look_ahead(std::size_t at) const {
    const auto& sequence = order_.sequence();
    constexpr std::size_t near = checking::instructions_ahead;
    if (at + 2 * near < sequence.size()) checking::ask_for(program_.instructions, sequence[at + 2 * near]);
    if (at + near >= sequence.size()) return;
    const auto& next = program_.instructions[sequence[at + near]];
    checking::ask_for(program_.waits, next.waits);
    for (auto o = next.operands; o < next.operands + next.sources + next.destinations; ++o) places_->ask_for(o);
  }

  Status execute(std::uint32_t index) {
    if (auto ok = order_.check_signals(index); !ok) return ok;
    const auto& instruction = program_.instructions[index];
    if (instruction.bytes == 0) return {};
    if (visits_ + order_.steps() > most_work)
      return Error{ErrorCode::unsupported, "the program is too entangled to be checked: its accesses overlap in too many pieces"};
    for (std::uint32_t s = 0; s < instruction.sources; ++s) {
      if (auto ok = read(index, instruction.operands + s, s == 0); !ok) return ok;
    }
    if (instruction.divides) {
      if (auto ok = divide(index); !ok) return ok;
    }
    for (std::uint32_t d = 0; d < instruction.destinations; ++d) {
      if (auto ok = write(index, instruction.operands + instruction.sources + d); !ok) return ok;
    }
    return {};
  }

  // Checks that what the operand names is there, and adds it to the sum in `pieces_`.
  Status read(std::uint32_t index, std::uint32_t operand, bool first) {
    ++proof_.accesses_;
    const auto extent = extent_of(operand);
    const bool fixed = places_->fixed(program_.operands[operand]);
    auto& pieces = first ? pieces_ : source_;
    for (auto at = places_->first_of(operand), begin = at; at != none && (*places_)[at].begin < extent.end; at = (*places_)[at].next) {
      auto& stretch = (*places_)[at];
      const auto end = places_->end_of(stretch, extent);
      ++visits_;
      if (stretch.sum == nothing) {
        return fail(index, "reads " + bytes_of(operand, extent, stretch.begin, end) + ", where nothing has been written in this call");
      }
      if (stretch.writer != none) {
        if (auto ok = compare(static_cast<std::uint32_t>(stretch.writer), operand, stretch.begin, end); !ok) return ok;
      }
      if (!fixed) places_->add_reader(stretch, operand);
      const auto bytes = end - stretch.begin;
      at == begin ? pieces.begin_with(bytes, stretch.sum, stretch.origin) : pieces.append({bytes, {stretch.sum, stretch.origin}});
    }
    return first ? Status{} : add(index, operand);
  }

  // Adds `source_`, which `operand` reads, to `pieces_`.
  Status add(std::uint32_t index, std::uint32_t operand) {
    const auto fault = pieces_.add(source_, sums_);
    if (!fault) return {};
    const auto extent = extent_of(operand);
    return fail(index, fmt::format("adds {}, which hold {}", bytes_of(operand, extent, extent.begin + fault->begin, extent.begin + fault->end),
                                   fault->reason));
  }

  // Only a complete sum may be divided, and only by the number of those who gave.
  Status divide(std::uint32_t index) {
    const auto divisor = program_.instructions[index].divisor;
    if (program_.payload.op != ReduceOp::average || !reduces(program_.collective.kind)) return fail(index, "divides, but no average is wanted");
    for (auto& piece : pieces_.all()) {
      for (auto b = places_->block_at(piece.content.origin); b < blocks_.size() && places_->origin(b) < piece.content.origin + piece.bytes; ++b) {
        if (sums_.set(piece.content.sum) != complete_[b] || sums_.is_divided(piece.content.sum)) {
          return fail(index, fmt::format("divides {}, not the sum of {}", sums_.describe(piece.content.sum), sums_.describe_set(complete_[b])));
        }
        if (std::ssize(blocks_[b].contributors) == divisor) continue;
        return fail(index, fmt::format("divides by {} what {} ranks give", divisor, blocks_[b].contributors.size()));
      }
      piece.content.sum = sums_.divided(piece.content.sum);
    }
    return {};
  }

  // Checks that whoever touched the bytes before is done, and puts `pieces_` there.
  Status write(std::uint32_t index, std::uint32_t operand) {
    ++proof_.accesses_;
    const auto extent = extent_of(operand);
    if (program_.operands[operand].buffer == Buffer::input) {
      return fail(index, "writes " + bytes_of(operand, extent, extent.begin, extent.end) + "; inputs belong to the caller");
    }
    auto piece = pieces_.all().begin();
    std::int64_t used = 0;  // of the piece
    for (auto at = places_->first_of(operand); at != none && (*places_)[at].begin < extent.end; at = (*places_)[at].next) {
      const auto begin = (*places_)[at].begin;
      const auto left = piece->bytes - used;
      if (places_->end_of((*places_)[at], extent) - begin > left) places_->split(at, left);
      auto& stretch = (*places_)[at];
      const auto end = places_->end_of(stretch, extent);
      ++visits_;
      if (auto ok = compare_all(stretch, operand, end); !ok) return ok;
      stretch.sum = piece->content.sum;
      stretch.origin = piece->content.origin + used;
      stretch.writer = static_cast<std::int32_t>(operand);
      stretch.readers = none;
      used += end - begin;
      if (used < piece->bytes) continue;
      ++piece;
      used = 0;
    }
    return {};
  }

  // The readers of what was written last have been compared with its writer.
  Status compare_all(const checking::Stretch& stretch, std::uint32_t operand, std::int64_t end) {
    if (stretch.readers == none) {
      if (stretch.writer == none) return {};
      return compare(static_cast<std::uint32_t>(stretch.writer), operand, stretch.begin, end);
    }
    Status status;
    places_->each_reader(stretch, [&](std::uint32_t reader) {
      if (status) status = compare(reader, operand, stretch.begin, end);
    });
    return status;
  }

  // Is the access by operand `before` to bytes [begin, end) complete before the one by `now` begins?
  Status compare(std::uint32_t before, std::uint32_t now, std::int64_t begin, std::int64_t end) {
    ++proof_.pairs_;
    const auto first = owners_[before];
    const auto second = owners_[now];
    if (first == second) return within(before, now, begin, end);
    if (same_range(before, now) && order_.awaits(second, first)) return {};  // slice by slice, however it is sliced
    if (program_.tuning.blocks_per_lane == 1 && order_.lane_of(first) == order_.lane_of(second)) return {};
    const auto need = checking::need_between(range_of(before), range_of(now), begin, end, program_.tuning.blocks_per_lane);
    if (order_.ordered(first, second, need)) return {};
    auto error = fail(second, fmt::format("{} {}, which {} {}; nothing orders the two", to_string(use_of(now)),
                                          bytes_of(now, extent_of(now), begin, end), checking::name_of(program_, first), to_string(use_of(before))));
    if (need.apart) {
      error.notes.emplace_back("slices with numbers of different blocks touch the same bytes; no wait can order blocks within a call");
    } else {
      error.notes.push_back(fmt::format("slices 0 to {} of lane {}, instruction {} must be complete before that", need.slices - 1,
                                        order_.lane_of(first), first - program_.lanes[order_.lane_of(first)].first));
    }
    return error;
  }

  // Two operands of one instruction: each element is read before it is written at the same place, and that is all.
  Status within(std::uint32_t before, std::uint32_t now, std::int64_t begin, std::int64_t end) const {
    if (use_of(before) == Use::reads && extent_of(before).begin == extent_of(now).begin) return {};
    return fail(owners_[now],
                fmt::format("writes {}, which it {} at another place", bytes_of(now, extent_of(now), begin, end), to_string(use_of(before))));
  }

  Status check_end() {
    const bool divided = program_.payload.op == ReduceOp::average && reduces(program_.collective.kind);
    const auto elements = block_elements(program_.collective, blocks_, program_.payload);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const auto& block = blocks_[b];
      if (block.contributors.empty() || elements[b] == 0 || !owed_.any_of(b)) continue;
      for (const auto rank : block.receivers) {
        const auto offset = layout_.output_offset(rank, static_cast<std::int32_t>(b));
        const auto extent = places_->extent(rank, Buffer::output, offset, elements[b] * size_of(program_.payload.type));
        for (auto at = places_->find(extent); at != none && (*places_)[at].begin < extent.end; at = (*places_)[at].next) {
          const auto& stretch = (*places_)[at];
          const Content found{stretch.sum, stretch.origin};
          const auto passed = stretch.begin - extent.begin;
          if (!owed_.any_of(b, passed, places_->end_of(stretch, extent) - extent.begin)) continue;
          const bool whole = found.sum != nothing && sums_.set(found.sum) == complete_[b] &&
                             (block.contributors.size() == 1 || sums_.is_divided(found.sum) == divided);
          if (whole && found.origin == places_->origin(b) + passed) continue;
          return wrong_end(b,
                           checking::name_of_bytes(rank, Buffer::output, offset + passed, offset + places_->end_of(stretch, extent) - extent.begin),
                           found, places_->origin(b) + passed);
        }
      }
    }
    return {};
  }

  Error wrong_end(std::size_t block, const std::string& bytes, const Content& found, std::int64_t origin) const {
    auto error = fail(
        fmt::format("at the end {} must hold the sum of {}, but hold {}", bytes, sums_.describe_set(complete_[block]), sums_.describe(found.sum)));
    if (found.sum != nothing && found.origin != origin) {
      error.notes.push_back(fmt::format("of the elements from byte {} of the payload on, not from byte {}", found.origin, origin));
    }
    if (found.sum != nothing && found.origin == origin && sums_.set(found.sum) == complete_[block]) {
      error.notes.emplace_back(sums_.is_divided(found.sum) ? "which is divided, though no average is wanted"
                                                           : "which is not divided by their number");
    }
    if (program_.epilogue) error.notes.emplace_back("rows are normed after that: what is summed before must be complete");
    return error;
  }

  Use use_of(std::uint32_t operand) const {
    const auto& instruction = program_.instructions[owners_[operand]];
    return operand - instruction.operands < instruction.sources ? Use::reads : Use::writes;
  }
  Extent extent_of(std::uint32_t operand) const { return places_->extent(program_.operands[operand], program_.instructions[owners_[operand]].bytes); }
  checking::SlicedRange range_of(std::uint32_t operand) const {
    const auto& instruction = program_.instructions[owners_[operand]];
    return {extent_of(operand).begin, instruction.bytes, program_.slice_bytes(instruction)};
  }
  bool same_range(std::uint32_t a, std::uint32_t b) const {
    const auto& first = program_.operands[a];
    const auto& second = program_.operands[b];
    return first.offset == second.offset && first.buffer == second.buffer &&
           program_.instructions[owners_[a]].bytes == program_.instructions[owners_[b]].bytes;
  }
  // Bytes [begin, end) of memory as the operand names them.
  std::string bytes_of(std::uint32_t operand, const Extent& extent, std::int64_t begin, std::int64_t end) const {
    const auto& named = program_.operands[operand];
    const auto shift = named.offset - extent.begin;
    return checking::name_of_bytes(named.rank, named.buffer, begin + shift, end + shift);
  }

  const Program& program_;
  std::vector<Block> blocks_;
  const checking::Owed& owed_;
  BufferLayout layout_;
  checking::Order order_;
  checking::Sums sums_;
  std::optional<checking::Places> places_;
  checking::Large<std::uint32_t> owners_;  // by operand
  std::vector<std::int32_t> complete_;     // by block: the set of its contributors
  checking::Pieces pieces_;                // what the instruction at hand writes
  checking::Pieces source_;                // and one of the places where it reads
  std::uint64_t visits_ = 0;               // of stretches
  ProgramProof proof_;
};

Result<ProgramProof> checking::prove_accesses(const Program& program, std::vector<Block> blocks, const Owed& owed) {
  return ProgramChecker{program, std::move(blocks), owed}.run();
}

}  // namespace p2plab
