// SPDX-License-Identifier: Apache-2.0
// Pairs of devices that are CPU memory. Each access goes through a wire, which may be broken.
#include "p2plab/run/pair_probe.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "device/data.h"

namespace p2plab {

namespace {

constexpr std::array accesses{PairAccess::copy_engine, PairAccess::stores,    PairAccess::loads,      PairAccess::atomics,
                              PairAccess::flag,        PairAccess::both_ways, PairAccess::all_at_once};

using Word = std::atomic<std::uint64_t>;
using Kind = MemoryFault::Kind;

class HostPairProber final : public PairProber {
 public:
  explicit HostPairProber(HostPairs pairs) : pairs_(std::move(pairs)) {}

  Result<PairOutcome> run(const PairProbe& probe) override {
    if (probe.access == PairAccess::all_at_once) return all(probe);
    auto outcome = one(probe);
    if (!outcome || probe.access != PairAccess::both_ways) return outcome;
    auto back = one({probe.access, probe.to, probe.from});
    if (!back) return back;
    add(*outcome, *back);
    return outcome;
  }

 private:
  static constexpr std::size_t words = 4096;
  static constexpr std::size_t rounds = 16;

  static void add(PairOutcome& sum, const PairOutcome& more) {
    sum.compared += more.compared;
    sum.unwritten += more.unwritten;
    sum.zeros += more.zeros;
    sum.wrong += more.wrong;
    sum.late += more.late;
    sum.rate = std::min(sum.rate, more.rate);
  }

  Result<PairOutcome> all(const PairProbe& probe) {
    PairOutcome sum;
    for (int from = 0; from < pairs_.devices; ++from) {
      auto more = one({probe.access, from, (from + probe.to - probe.from + pairs_.devices) % pairs_.devices});
      if (!more) return more;
      if (from == 0) sum.rate = more->rate;
      add(sum, *more);
    }
    return sum;
  }

  const MemoryFault* fault_of(const PairProbe& probe) const {
    for (const auto& fault : pairs_.faults) {
      if (fault.access == probe.access && fault.from == probe.from && fault.to == probe.to) return &fault;
    }
    return nullptr;
  }

  Result<PairOutcome> one(const PairProbe& probe) {
    const auto* fault = fault_of(probe);
    if (fault != nullptr && fault->kind == Kind::refused) return Error{ErrorCode::device_failure, "the access was refused"};
    if (fault != nullptr && fault->kind == Kind::crash) std::abort();
    while (fault != nullptr && fault->kind == Kind::stuck) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (probe.access == PairAccess::flag) return flags(probe, fault);
    if (probe.access == PairAccess::atomics) return atomics(fault);
    std::vector<std::uint64_t> memory(words, word_before);
    const bool reordered = fault != nullptr && fault->kind == Kind::reordered;
    for (std::size_t i = 0; i < words; ++i) {
      // Each place is written twice; in the other order the first word stays.
      carry(memory[i], sent_word(probe.from, words + i), i, reordered ? nullptr : fault);
      carry(memory[i], sent_word(probe.from, reordered && i % 8 == 3 ? words + i : i), i, fault);
    }
    auto outcome = compared_words(memory, probe.from);
    outcome.rate = rate_of(probe, fault);
    return outcome;
  }

  // Every eighth word meets the fault; of what is corrupted one bit of one word.
  static void carry(std::uint64_t& to, std::uint64_t word, std::size_t i, const MemoryFault* fault) {
    if (fault != nullptr && i % 8 == 3) {
      if (fault->kind == Kind::lost || fault->kind == Kind::delayed) return;  // it comes when all has been compared
      if (fault->kind == Kind::zeros) word = 0;
      if (fault->kind == Kind::corrupted && i == 8 * 40 + 3) word ^= std::uint64_t{1} << 17;
    }
    to = word;
  }

  // Two threads add to the same counters.
  static PairOutcome atomics(const MemoryFault* fault) {
    constexpr std::uint32_t times = 64;
    std::vector<std::atomic<std::uint32_t>> counters(words);
    const auto add = [&](std::uint32_t value, bool over_wire) {
      for (std::uint32_t time = 0; time < times; ++time) {
        for (std::size_t i = 0; i < words; ++i) {
          const bool broken = over_wire && fault != nullptr && i % 8 == 3;
          if (!broken || (fault->kind != Kind::lost && fault->kind != Kind::delayed)) counters[i].fetch_add(value, std::memory_order_relaxed);
        }
      }
    };
    std::thread sender([&] { add(sender_adds, true); });
    add(receiver_adds, false);
    sender.join();
    std::vector<std::uint32_t> found(counters.begin(), counters.end());
    if (fault != nullptr && fault->kind == Kind::zeros) found[3] = 0;
    if (fault != nullptr && fault->kind == Kind::corrupted) found[3] -= sender_adds;
    return compared_counters(found, times);
  }

  struct Look {
    bool old = false;    // some data was the round's before
    bool other = false;  // some was neither
  };
  template <class Value>
  static Look look(const std::vector<Word>& data, std::size_t round, const Value& value) {
    Look seen;
    for (std::size_t i = 0; i < data.size(); ++i) {
      const auto got = data[i].load(std::memory_order_relaxed);
      if (got == value(round, i)) continue;
      const bool before = got == 0 || (round > 1 && got == value(round - 1, i));
      seen.old = seen.old || before;
      seen.other = seen.other || !before;
    }
    return seen;
  }

  // Two threads: data, then its flag; the other looks at the data when it sees the flag, and answers.
  PairOutcome flags(const PairProbe& probe, const MemoryFault* fault) const {
    std::vector<Word> data(64);
    Word flag{0};
    Word answer{0};
    std::atomic<std::int64_t> late{0};
    std::atomic<std::int64_t> wrong{0};
    const auto value = [&](std::size_t round, std::size_t i) { return sent_word(probe.from, round * data.size() + i); };
    std::thread reader([&] {
      for (std::size_t round = 1; round <= rounds; ++round) {
        while (flag.load(std::memory_order_acquire) < round) std::this_thread::yield();
        const auto [old, other] = look(data, round, value);
        late += old ? 1 : 0;
        wrong += other ? 1 : 0;
        answer.store(round, std::memory_order_release);
      }
    });
    for (std::size_t round = 1; round <= rounds; ++round) {
      const bool behind = fault != nullptr && (fault->kind == Kind::delayed || (fault->kind == Kind::reordered && round % 4 == 0));
      const auto send = [&] {
        for (std::size_t i = 0; i < data.size(); ++i) {
          auto word = value(round, i);
          if (fault != nullptr && fault->kind == Kind::lost && i == 5) continue;
          if (fault != nullptr && fault->kind == Kind::corrupted && i == 5) word ^= 4;
          data[i].store(word, std::memory_order_relaxed);
        }
      };
      if (!behind) send();
      flag.store(round, std::memory_order_release);
      while (answer.load(std::memory_order_acquire) < round) std::this_thread::yield();
      if (behind) send();
    }
    reader.join();
    return {.compared = rounds, .wrong = wrong.load(), .late = late.load()};
  }

  Bandwidth rate_of(const PairProbe& probe, const MemoryFault* fault) const {
    if (!pairs_.rate) return {};
    const auto rate = pairs_.rate(probe);
    return fault != nullptr && fault->kind == Kind::slow ? GBps(rate.gbps() * fault->factor) : rate;
  }

  HostPairs pairs_;
};

}  // namespace

std::string_view to_string(PairAccess access) {
  constexpr std::array<std::string_view, 7> words{"copy_engine", "stores", "loads", "atomics", "flag", "both_ways", "all_at_once"};
  return words[static_cast<std::size_t>(access)];
}

std::span<const PairAccess> pair_accesses() { return accesses; }

std::uint64_t sent_word(int sender, std::size_t index) {
  return device::mixed((static_cast<std::uint64_t>(sender) << 40) + index + 1) | 1;  // word_before is odd too, but not mixed from these
}

PairOutcome compared_counters(std::span<const std::uint32_t> found, std::uint32_t times) {
  PairOutcome outcome{.compared = std::ssize(found)};
  for (const auto counter : found) {
    if (counter == times * (sender_adds + receiver_adds)) continue;
    ++(counter == times * receiver_adds ? outcome.unwritten : counter == 0 ? outcome.zeros : outcome.wrong);
  }
  return outcome;
}

PairOutcome compared_words(std::span<const std::uint64_t> found, int sender) {
  PairOutcome outcome{.compared = std::ssize(found)};
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == sent_word(sender, i)) continue;
    ++(found[i] == word_before ? outcome.unwritten : found[i] == 0 ? outcome.zeros : outcome.wrong);
  }
  return outcome;
}

std::unique_ptr<PairProber> host_pair_prober(HostPairs pairs) { return std::make_unique<HostPairProber>(std::move(pairs)); }

}  // namespace p2plab
