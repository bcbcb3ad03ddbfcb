// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "program/packet_slots.h"

namespace p2plab {

namespace {

bool same_memory(const PacketOperand& a, const PacketOperand& b) {
  return a.place == PacketPlace::memory && b.place == PacketPlace::memory && a.buffer == b.buffer && a.offset == b.offset;
}

// Items whose packets are loaded together, so far.
class Group {
 public:
  // What is loaded with others waits with them: not for data that may depend on what the group still has to send, nor on what it writes.
  bool takes(const PacketItem& item) const {
    const bool reads_written = std::ranges::any_of(
        item.sources, [&](const auto& s) { return std::ranges::any_of(written_, [&](const auto& w) { return same_memory(s, w); }); });
    return open_ && !item.adds() && item.is_token() == tokens_ && !(item.lands() && sends_) && !reads_written;
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
  bool open_ = false;  // a sum stands alone
  bool tokens_ = false;
  bool sends_ = false;
  std::vector<PacketOperand> written_;
};

}  // namespace

void mark_joins(PacketProgram& program) {
  for (auto& items : program.ranks) {
    Group group;
    for (auto& item : items) {
      item.joins = group.takes(item);
      item.joins ? group.add(item) : group.begin_with(item);
    }
  }
}

}  // namespace p2plab
