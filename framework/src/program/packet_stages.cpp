// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr int most_stages = 255;

struct Message {
  int stage = 0;              // the first that finds it there, as far as its senders are known
  std::int32_t senders = 0;   // that are still to come
  std::int32_t waiting = -1;  // the column that waits for it last; others of that rank follow from there
};

// Takes each column as far as what it needs has been sent, and goes on with it when the rest is: every item is looked at once.
class Stages {
 public:
  explicit Stages(const PacketProgram& program)
      : program_(program),
        columns_(columns_of(program)),
        messages_(program.messages.size()),
        now_(columns_.size()),
        waiting_before_(columns_.size(), -1) {
    for (const auto& column : columns_) at_.push_back(column.first);
    for (const auto& items : program.ranks) {
      stages_.emplace_back(items.size());
      left_ += items.size();
      for (const auto& item : items) {
        for (const auto& to : item.destinations) {
          if (is_landing(to)) ++message(to).senders;
        }
      }
    }
  }

  std::vector<std::vector<std::uint8_t>> run() {
    for (auto c = columns_.size(); c-- > 0;) ready_.push_back(c);
    while (!ready_.empty()) {
      const auto column = ready_.back();
      ready_.pop_back();
      if (!go_on(column)) return {};
    }
    if (left_ > 0) return {};  // they wait in a circle
    return std::move(stages_);
  }

 private:
  Message& message(const PacketOperand& at) { return messages_[static_cast<std::size_t>(at.message)]; }

  // False where there are too many stages.
  bool go_on(std::size_t column) {
    const auto rank = columns_[column].rank.index();
    const auto& items = program_.ranks[rank];
    auto& begin = at_[column];
    while (begin < columns_[column].end) {
      auto end = begin + 1;
      while (end < columns_[column].end && items[end].joins) ++end;
      if (waits(column, begin, end)) return true;
      if (now_[column] > most_stages) return false;
      for (; begin < end; ++begin, --left_) {
        stages_[rank][begin] = static_cast<std::uint8_t>(now_[column]);
        for (const auto& to : items[begin].destinations) {
          if (is_landing(to)) send(message(to), now_[column] + 1);
        }
      }
    }
    return true;
  }

  // Is something that items [begin, end) need not sent yet?
  bool waits(std::size_t column, std::size_t begin, std::size_t end) {
    for (auto i = begin; i < end; ++i) {
      for (const auto& source : program_.ranks[columns_[column].rank.index()][i].sources) {
        if (!is_landing(source)) continue;
        auto& needed = message(source);
        if (needed.senders > 0) {
          waiting_before_[column] = std::exchange(needed.waiting, static_cast<std::int32_t>(column));
          return true;
        }
        now_[column] = std::max(now_[column], needed.stage);
      }
    }
    return false;
  }

  void send(Message& sent, int stage) {
    sent.stage = std::max(sent.stage, stage);
    if (--sent.senders > 0) return;
    for (auto column = std::exchange(sent.waiting, -1); column >= 0; column = waiting_before_[static_cast<std::size_t>(column)])
      ready_.push_back(static_cast<std::size_t>(column));
  }

  const PacketProgram& program_;
  std::vector<PacketColumn> columns_;
  std::vector<Message> messages_;
  std::vector<std::size_t> at_;               // by column: the item that is next
  std::vector<int> now_;                      // by column: the stage of the item before
  std::vector<std::int32_t> waiting_before_;  // by column: another one that waits for the same
  std::vector<std::size_t> ready_;
  std::size_t left_ = 0;  // items
  std::vector<std::vector<std::uint8_t>> stages_;
};

}  // namespace

std::vector<std::vector<std::uint8_t>> packet_stages(const PacketProgram& program) { return Stages{program}.run(); }

}  // namespace p2plab
