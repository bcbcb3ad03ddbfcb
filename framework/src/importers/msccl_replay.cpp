// SPDX-License-Identifier: Apache-2.0
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "importers/msccl_file.h"

namespace p2plab {

namespace {

using Kind = MscclMicro::Kind;

bool receives(Kind kind) { return kind == Kind::receive || kind == Kind::receive_add || kind == Kind::receive_add_send; }

class Replay {
 public:
  explicit Replay(const MscclFile& file) : file_(file), scratch_(file.scratch) {
    for (std::size_t g = 0; g < file.gpus.size(); ++g) {
      at_.emplace_back(file.gpus[g].size());
      for (std::size_t b = 0; b < file.gpus[g].size(); ++b) {
        const auto& block = file.gpus[g][b];
        if (block.receive >= 0) receiver_[{block.receive, static_cast<std::int32_t>(g), block.channel}] = b;
      }
    }
  }

  std::variant<std::vector<Action>, ImportFault> run() {
    while (!finished()) {
      bool moved = false;
      for (std::size_t g = 0; g < at_.size(); ++g) {
        for (std::size_t b = 0; b < at_[g].size(); ++b) {
          while (advance(g, b)) moved = true;
        }
      }
      if (fault_) return *fault_;
      if (!moved && !send_ahead()) return fault_.value_or(deadlock());
    }
    for (const auto& [wire, waiting] : in_flight_) {
      if (!waiting.empty())
        return ImportFault{fmt::format("rank {} receives not all that rank {} sends on channel {}", wire.to, wire.from, wire.channel),
                           waiting.front().origin};
    }
    return std::move(actions_);
  }

 private:
  struct Wire {
    std::int32_t from;
    std::int32_t to;
    std::int32_t channel;
    friend auto operator<=>(const Wire&, const Wire&) = default;
  };
  // A message that was sent before its receiver asked for it.
  struct Waiting {
    UnitPlace place;
    std::int64_t count;
    std::size_t origin;
  };
  // How far a thread block is: steps, and parts of the next one.
  struct Progress {
    std::size_t step = 0;
    std::size_t part = 0;
    std::optional<UnitPlace> sum;  // of a receive_add_send that is to be sent
  };

  const MscclFileBlock& block(std::size_t g, std::size_t b) const { return file_.gpus[g][b]; }
  const MscclFileStep* next(std::size_t g, std::size_t b) const {
    const auto& steps = block(g, b).steps;
    return at_[g][b].step < steps.size() ? &steps[at_[g][b].step] : nullptr;
  }
  bool finished() const {
    for (std::size_t g = 0; g < at_.size(); ++g) {
      for (std::size_t b = 0; b < at_[g].size(); ++b) {
        if (next(g, b) != nullptr) return false;
      }
    }
    return true;
  }
  bool ready(std::size_t g, std::size_t b) const {
    const auto* step = next(g, b);
    if (step == nullptr) return false;
    return step->after_block < 0 || at_[g][static_cast<std::size_t>(step->after_block)].step > static_cast<std::size_t>(step->after_step);
  }
  // What a thread block would do now: null if it waits or has ended.
  const MscclMicro* part(std::size_t g, std::size_t b) const {
    return ready(g, b) && at_[g][b].part < next(g, b)->parts.size() ? &next(g, b)->parts[at_[g][b].part] : nullptr;
  }
  void done(std::size_t g, std::size_t b) {
    auto& at = at_[g][b];
    const auto* step = next(g, b);
    if (++at.part < step->parts.size()) return;
    at.part = 0;
    ++at.step;
  }

  bool advance(std::size_t g, std::size_t b) {
    if (!ready(g, b)) return false;
    const auto* step = next(g, b);
    if (step->parts.empty()) {
      at_[g][b].part = 0;
      ++at_[g][b].step;
      return true;
    }
    const auto& now = *part(g, b);
    const Rank rank{static_cast<std::int64_t>(g)};
    const auto channel = block(g, b).channel;
    if (now.kind == Kind::copy || now.kind == Kind::add) {
      auto sources = now.kind == Kind::copy ? std::vector{now.from} : std::vector{now.to, now.from};
      actions_.push_back({rank, std::move(sources), now.to, step->count, channel, step->origin});
      done(g, b);
      return true;
    }
    if (receives(now.kind) && !at_[g][b].sum) return receive_waiting(g, b);
    return hand_over(g, b);
  }

  // Takes a message that lies in scratch already.
  bool receive_waiting(std::size_t g, std::size_t b) {
    const auto found = in_flight_.find({block(g, b).receive, static_cast<std::int32_t>(g), block(g, b).channel});
    if (found == in_flight_.end() || found->second.empty()) return false;
    const auto message = found->second.front();
    if (!same_count(*next(g, b), message.count)) return false;
    found->second.pop_front();
    take(g, b, message.place, Rank{static_cast<std::int64_t>(g)});
    return true;
  }

  bool same_count(const MscclFileStep& step, std::int64_t count) {
    if (step.count == count) return true;
    if (!fault_) fault_ = ImportFault{fmt::format("it receives {} chunks where {} were sent", step.count, count), step.origin};
    return false;
  }

  // The receiver's half of a message whose data lies at `from`; `executor` moves it.
  void take(std::size_t g, std::size_t b, const UnitPlace& from, Rank executor) {
    const auto& step = *next(g, b);
    const auto& now = *part(g, b);
    const auto channel = block(g, b).channel;
    const Rank rank{static_cast<std::int64_t>(g)};
    if (now.kind == Kind::receive) {
      actions_.push_back({executor, {from}, now.to, step.count, channel, step.origin});
      return done(g, b);
    }
    const auto target = now.kind == Kind::receive_add ? now.to : fresh(rank, step.count);
    actions_.push_back({rank, {now.from, from}, target, step.count, channel, step.origin});
    if (now.kind == Kind::receive_add) return done(g, b);
    at_[g][b].sum = target;
  }

  // Sends, if the receiver is ready to take it.
  bool hand_over(std::size_t g, std::size_t b) {
    const auto wire = wire_of(g, b);
    const auto peer = static_cast<std::size_t>(wire.to);
    const auto receiver = receiver_.find({wire.from, wire.to, wire.channel});
    if (receiver == receiver_.end()) {
      if (!fault_)
        fault_ = ImportFault{fmt::format("no thread block of rank {} receives from rank {} on channel {}", wire.to, wire.from, wire.channel),
                             next(g, b)->origin};
      return false;
    }
    const auto* other = part(peer, receiver->second);
    if (other == nullptr || !receives(other->kind) || at_[peer][receiver->second].sum || !in_flight_[wire].empty()) return false;
    if (!same_count(*next(peer, receiver->second), next(g, b)->count)) return false;
    take(peer, receiver->second, source_of(g, b), Rank{static_cast<std::int64_t>(g)});
    sent(g, b);
    return true;
  }

  Wire wire_of(std::size_t g, std::size_t b) const { return {static_cast<std::int32_t>(g), block(g, b).send, block(g, b).channel}; }
  UnitPlace source_of(std::size_t g, std::size_t b) const { return at_[g][b].sum.value_or(part(g, b)->from); }
  void sent(std::size_t g, std::size_t b) {
    at_[g][b].sum.reset();
    done(g, b);
  }

  UnitPlace fresh(Rank rank, std::int64_t count) { return {rank, 's', std::exchange(scratch_[rank.index()], scratch_[rank.index()] + count)}; }

  // Where all wait for each other, the first thread block that could send does: the message waits in scratch of its receiver.
  bool send_ahead() {
    for (std::size_t g = 0; g < at_.size(); ++g) {
      for (std::size_t b = 0; b < at_[g].size(); ++b) {
        const auto* now = part(g, b);
        if (now == nullptr || (now->kind != Kind::send && !at_[g][b].sum)) continue;
        const auto wire = wire_of(g, b);
        const auto& step = *next(g, b);
        const auto place = fresh(Rank{wire.to}, step.count);
        actions_.push_back({Rank{wire.from}, {source_of(g, b)}, place, step.count, wire.channel, step.origin});
        in_flight_[wire].push_back({place, step.count, step.origin});
        sent(g, b);
        return true;
      }
    }
    return false;
  }

  ImportFault deadlock() const {
    for (std::size_t g = 0; g < at_.size(); ++g) {
      for (std::size_t b = 0; b < at_[g].size(); ++b) {
        if (const auto* step = next(g, b)) return {fmt::format("thread block {} of rank {} would wait here for ever", b, g), step->origin};
      }
    }
    return {};
  }

  const MscclFile& file_;
  std::vector<std::vector<Progress>> at_;  // by rank and thread block
  std::map<Wire, std::size_t> receiver_;
  std::map<Wire, std::deque<Waiting>> in_flight_;
  std::vector<std::int64_t> scratch_;  // units in use, by rank
  std::vector<Action> actions_;
  std::optional<ImportFault> fault_;
};

}  // namespace

std::variant<std::vector<Action>, ImportFault> replay_msccl(const MscclFile& file) { return Replay{file}.run(); }

}  // namespace p2plab
