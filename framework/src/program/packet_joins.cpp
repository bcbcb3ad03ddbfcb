// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "program/packet_slots.h"

namespace p2plab {

namespace {

bool same_memory(const PacketOperand& a, const PacketOperand& b) {
  return b.place == PacketPlace::memory && a.buffer == b.buffer && a.offset == b.offset;
}

// Items whose packets are loaded together, so far.
class Group {
 public:
  // What is loaded with others waits with them: not for data that may depend on what the group still has to send, nor on what it writes.
  bool takes(const PacketItem& item) const {
    if (!open_ || item.adds() || item.is_token() != tokens_ || (item.lands() && sends_)) return false;
    return std::ranges::none_of(item.sources, [&](const auto& s) { return s.place == PacketPlace::memory && writes(s); });
  }

  void begin_with(const PacketItem& item) {
    open_ = !item.adds();
    tokens_ = item.is_token();
    sends_ = false;
    written_.clear();
    add(item);
  }

  void add(const PacketItem& item) {
    sends_ = sends_ || item.sends();
    std::ranges::copy_if(item.destinations, std::back_inserter(written_), [](const PacketOperand& to) { return !is_landing(to); });
  }

 private:
  bool writes(const PacketOperand& memory) const {
    return std::ranges::any_of(written_, [&](const auto& w) { return same_memory(memory, w); });
  }

  bool open_ = false;  // a sum stands alone
  bool tokens_ = false;
  bool sends_ = false;
  std::vector<PacketOperand> written_;
};

}  // namespace

void mark_joins(PacketProgram& program) {
  for (auto& items : program.ranks) {
    Group group;
    std::int32_t column = 0;
    for (auto& item : items) {
      item.joins = item.column == std::exchange(column, item.column) && group.takes(item);
      item.joins ? group.add(item) : group.begin_with(item);
    }
  }
}

}  // namespace p2plab
