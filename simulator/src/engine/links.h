// SPDX-License-Identifier: Apache-2.0
// Transfers between ranks, and who carries them.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/agenda.h"

namespace p2plab {

class ThreadBlocks;
struct Snapshot;

inline constexpr std::uint32_t no_index = ~std::uint32_t{0};

/// One remote operand of one slice, on its way along the stages of its path.
struct Transfer {
  std::int64_t head = 0;  // when it reaches its stage
  std::int64_t tail = 0;  // when its last byte is through what it has passed
  std::int64_t bytes = 0;
  std::uint32_t first = 0;  // of its path's stages
  std::uint32_t stage = 0;
  std::uint32_t end = 0;
  std::uint32_t block = 0;
  std::uint32_t part = 0;     // of its lane, as the block
  std::uint32_t slice = 0;    // among the slices of its thread block
  std::uint32_t operand = 0;  // among the remote operands of its instruction
  bool reads = false;
  bool paces = false;             // its thread block waits until its first stage has taken it
  bool alone = false;             // its thread block sends no other slice, so none of its kind is before it
  std::uint32_t next = no_index;  // behind it in the same queue
};

/// What carries transfers. An engine is one of these: how links are shared is its only question.
class Links {
 public:
  Links(Agenda& agenda, ThreadBlocks& blocks) : agenda_(agenda), program_(agenda.program), blocks_(blocks) {}
  virtual ~Links() = default;
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  /// Sends a transfer off at its first stage. Returns when that stage has taken all of it, which is when its thread block may go on; where that is
  /// not known yet, the block is told later (`ThreadBlocks::released`).
  virtual std::int64_t launch(Transfer transfer) = 0;
  /// The same at a later time, for whose coming nobody waits.
  void launch_at(std::int64_t time, const Transfer& transfer) { agenda_.schedule(time, EventKind::hop, keep(transfer)); }
  /// An event of its own: a hop, or what it scheduled itself.
  virtual void handle(const Event& event) = 0;
  /// Transfers between two stages, or waiting at one.
  std::size_t under_way() const { return transfers_.size() - unused_.size(); }

 protected:
  std::uint32_t keep(const Transfer& transfer);
  void release(std::uint32_t transfer) { unused_.push_back(transfer); }

  Agenda& agenda_;
  Compiled& program_;
  ThreadBlocks& blocks_;
  std::vector<Transfer> transfers_;  // on their way between two stages

 private:
  std::vector<std::uint32_t> unused_;
};

inline std::uint32_t Links::keep(const Transfer& transfer) {
  if (unused_.empty()) {
    if (transfers_.size() + 1 >= std::size_t{1} << EventQueue::index_bits) agenda_.overflow = true;
    transfers_.push_back(transfer);
    return static_cast<std::uint32_t>(transfers_.size() - 1);
  }
  const auto index = unused_.back();
  unused_.pop_back();
  transfers_[index] = transfer;
  return index;
}

}  // namespace p2plab
