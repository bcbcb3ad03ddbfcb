// SPDX-License-Identifier: Apache-2.0
#include "support/explore/explorer.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace p2plab::test {

namespace {

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
constexpr std::size_t word = 4;

void mix(std::uint64_t& hash, std::uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15U + (hash << 6) + (hash >> 2);
  hash *= 0xFF51AFD7ED558CCDU;
  hash ^= hash >> 33;
}

void mix(std::uint64_t& hash, const void* bytes, std::size_t count) {
  for (std::size_t at = 0; at < count; at += word) {
    std::uint32_t value = 0;
    std::memcpy(&value, static_cast<const std::uint8_t*>(bytes) + at, std::min(word, count - at));
    mix(hash, value);
  }
}

std::uint8_t* memory(std::uint64_t address) { return reinterpret_cast<std::uint8_t*>(address); }

bool overlap(std::uint64_t a, std::size_t a_bytes, std::uint64_t b, std::size_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

}  // namespace

Explorer::Explorer(std::vector<std::function<void()>> threads, std::function<void()> restore)
    : bodies_(std::move(threads)), restore_(std::move(restore)), threads_(bodies_.size()) {
  for (auto& thread : threads_) thread.stack = std::make_unique<std::uint8_t[]>(stack_bytes);
}

Explorer::~Explorer() = default;

void Explorer::run_thread() {
  auto& explorer = here();
  explorer.bodies_[explorer.running_]();
  explorer.drain();
  auto& mine = explorer.threads_[explorer.running_];
  mine.ready = nullptr;
  mine.place = at_end;
  swapcontext(&mine.context, &explorer.scheduler_);
}

void Explorer::start() {
  current_ = this;
  restore_();
  wrong_.clear();
  for (auto& thread : threads_) {
    thread.ready = [] { return true; };
    thread.stores.clear();
    thread.era = 0;
    thread.history = 0;
    thread.polled.clear();
    thread.meetings = 0;
    thread.place = at_start;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = stack_bytes;
    thread.context.uc_link = &scheduler_;
    makecontext(&thread.context, run_thread, 0);
  }
}

void Explorer::go_on(std::size_t thread) {
  running_ = thread;
  swapcontext(&scheduler_, &threads_[thread].context);
}

void Explorer::wait_until(std::uint64_t place, std::function<bool()> ready) {
  auto& mine = threads_[running_];
  mine.place = place;
  mine.ready = std::move(ready);
  swapcontext(&mine.context, &scheduler_);
}

// Words are private to the first thread that touches them until another does.
void Explorer::learn(std::uint64_t address, std::size_t bytes) {
  for (auto at = address / word; at <= (address + bytes - 1) / word; ++at) {
    const auto [owner, fresh] = owners_.emplace(at, running_);
    if (!fresh && owner->second != running_ && shared_.insert(at).second) learned_ = true;
  }
}

bool Explorer::shared(std::uint64_t address, std::size_t bytes) const {
  const auto first = shared_.lower_bound(address / word);
  return first != shared_.end() && *first <= (address + bytes - 1) / word;
}

// Memory as this thread sees it: its own stores come first.
void Explorer::look(std::uint64_t address, void* to, std::size_t bytes) {
  std::memcpy(to, memory(address), bytes);
  for (const auto& store : threads_[running_].stores) {
    if (!overlap(address, bytes, store.address, store.bytes.size())) continue;
    const auto begin = std::max(address, store.address);
    const auto end = std::min(address + bytes, store.address + store.bytes.size());
    std::memcpy(static_cast<std::uint8_t*>(to) + (begin - address), store.bytes.data() + (begin - store.address), end - begin);
  }
}

void Explorer::read(std::uint64_t address, void* to, std::size_t bytes) {
  learn(address, bytes);
  auto& mine = threads_[running_];
  mine.polled.clear();
  if (shared(address, bytes)) wait_until(address, [] { return true; });
  look(address, to, bytes);
  mix(mine.history, to, bytes);
}

void Explorer::poll(std::uint64_t address, void* to, std::size_t bytes, std::size_t piece) {
  learn(address, bytes);
  auto& mine = threads_[running_];
  const auto again = std::ranges::find(mine.polled, address, &Polled::address) - mine.polled.begin();
  const bool waited = again < std::ssize(mine.polled);
  if (waited) {
    // The same again: what it and what came after it showed is forgotten, and nothing else will be shown until somebody's store is seen.
    mine.history = mine.polled[static_cast<std::size_t>(again)].before;
    wait_until(address, [&mine, again] {
      return std::any_of(mine.polled.begin() + again, mine.polled.end(),
                         [](const Polled& one) { return std::memcmp(memory(one.address), one.showed.data(), one.showed.size()) != 0; });
    });
    mine.polled.resize(static_cast<std::size_t>(again));
  }
  for (std::size_t at = 0; at < bytes; at += piece) {
    const auto count = std::min(piece, bytes - at);
    if (shared(address + at, count) && !(waited && at == 0)) wait_until(address + at, [] { return true; });
    auto* const into = static_cast<std::uint8_t*>(to) + at;
    look(address + at, into, count);
    mine.polled.push_back({address + at, std::vector<std::uint8_t>(into, into + count), mine.history});
    mix(mine.history, into, count);
  }
}

void Explorer::write(std::uint64_t address, const void* from, std::size_t bytes, std::size_t piece) {
  learn(address, bytes);
  auto& mine = threads_[running_];
  mine.polled.clear();
  for (std::size_t at = 0; at < bytes; at += piece) {
    const auto count = std::min(piece, bytes - at);
    const auto* const begin = static_cast<const std::uint8_t*>(from) + at;
    if (shared(address + at, count)) {
      mine.stores.push_back({address + at, std::vector<std::uint8_t>(begin, begin + count), mine.era});
    } else {
      std::memcpy(memory(address + at), begin, count);
    }
  }
}

void Explorer::fence() { ++threads_[running_].era; }

void Explorer::drain() {
  auto& mine = threads_[running_];
  mine.polled.clear();
  wait_until(at_drain, [&mine] { return mine.stores.empty(); });
  mix(mine.history, at_drain);
}

void Explorer::meet(std::uint64_t group) {
  auto& mine = threads_[running_];
  mine.polled.clear();
  const auto wanted = ++mine.meetings;
  wait_until(at_meeting, [this, group, wanted] {
    for (std::size_t t = 0; t < threads_.size(); ++t) {
      if ((group >> t & 1) != 0 && threads_[t].meetings < wanted) return false;
    }
    return true;
  });
  mix(mine.history, at_meeting);
}

void Explorer::fail(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

bool Explorer::all_ended() const {
  return std::ranges::all_of(threads_, [](const Thread& thread) { return !thread.ready; });
}

std::vector<Explorer::Choice> Explorer::choices() const {
  std::vector<Choice> all;
  for (std::size_t t = 0; t < threads_.size(); ++t) {
    const auto& thread = threads_[t];
    if (thread.ready && thread.ready()) all.push_back({t, 0});
    for (std::size_t s = 0; s < thread.stores.size(); ++s) {
      const auto& store = thread.stores[s];
      const auto first = thread.stores.begin();
      const bool free = std::none_of(first, first + static_cast<std::ptrdiff_t>(s), [&](const Store& earlier) {
        return earlier.era < store.era || overlap(earlier.address, earlier.bytes.size(), store.address, store.bytes.size());
      });
      if (free) all.push_back({t, s + 1});
    }
  }
  return all;
}

void Explorer::take(const Choice& choice) {
  if (choice.store == 0) return go_on(choice.thread);
  auto& stores = threads_[choice.thread].stores;
  const auto store = stores.begin() + static_cast<std::ptrdiff_t>(choice.store - 1);
  std::memcpy(memory(store->address), store->bytes.data(), store->bytes.size());
  stores.erase(store);
}

std::uint64_t Explorer::state() const {
  std::uint64_t hash = 0;
  for (const auto& thread : threads_) {
    mix(hash, thread.history);
    mix(hash, thread.place);
    mix(hash, thread.stores.size());
    const auto oldest = thread.stores.empty() ? 0 : thread.stores.front().era;
    for (const auto& store : thread.stores) {
      mix(hash, store.address);
      mix(hash, store.era - oldest);
      mix(hash, store.bytes.data(), store.bytes.size());
    }
  }
  for (const auto at : shared_) mix(hash, memory(at * word), word);
  return hash;
}

Explorer::Report Explorer::every_order(std::size_t most) {
  Report report;
  std::unordered_set<std::uint64_t> seen;
  std::vector<std::pair<std::size_t, std::size_t>> path;  // of each place: which choice, of how many
  for (bool more = true; more; ++report.runs) {
    learned_ = false;
    start();
    std::size_t depth = 0;
    while (true) {
      const auto open = choices();
      if (open.empty() && !all_ended()) fail("all wait for each other");
      if (!wrong_.empty() || open.empty() || learned_) break;
      if (depth == path.size()) {
        if (!seen.insert(state()).second) break;
        path.emplace_back(0, open.size());
      }
      take(open[path[depth++].first]);
    }
    if (learned_) {
      // More is shared than was known: what was seen is no run of this memory.
      seen.clear();
      path.clear();
      continue;
    }
    if (!wrong_.empty()) break;
    if (seen.size() >= most) break;
    while (!path.empty() && path.back().first + 1 == path.back().second) path.pop_back();
    more = !path.empty();
    if (more) ++path.back().first;
    report.whole = !more;
  }
  report.states = seen.size();
  report.wrong = wrong_;
  return report;
}

Explorer::Report Explorer::random_orders(std::size_t runs, std::uint64_t seed) {
  Report report;
  std::unordered_set<std::uint64_t> seen;
  std::mt19937_64 random{seed};
  for (std::size_t run = 0; run < runs && wrong_.empty();) {
    learned_ = false;
    start();
    const auto passes = random() % 4;  // how often a store is passed over for a thread that can go on
    while (true) {
      const auto open = choices();
      if (open.empty() && !all_ended()) fail("all wait for each other");
      if (!wrong_.empty() || open.empty() || learned_) break;
      seen.insert(state());
      auto choice = open[random() % open.size()];
      for (std::uint64_t again = 0; again < passes && choice.store != 0; ++again) choice = open[random() % open.size()];
      take(choice);
    }
    if (learned_) {
      wrong_.clear();
      continue;
    }
    ++run;
    ++report.runs;
  }
  report.states = seen.size();
  report.wrong = wrong_;
  return report;
}

}  // namespace p2plab::test
