// SPDX-License-Identifier: Apache-2.0
// A model checker for the kernels' own source: runs it under every order in which stores may become visible and ranks may go on, or under many
// random ones. Memory is weaker than a GPU's: a store is seen by others at any later time, in pieces, before or after other stores of the same
// thread, unless a fence lies between them or both are to the same bytes; a packet is read piece by piece. Whatever holds here holds for any GPU
// whose pieces arrive whole and whose end of a kernel makes its stores visible.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace p2plab::test {

class Explorer {
 public:
  /// What one exploration saw.
  struct Report {
    std::size_t states = 0;  // different ones
    std::size_t runs = 0;    // from the start to an end, or to a state seen before
    bool whole = false;      // were all states reached?
    std::string wrong = {};  // the first fault, or that all wait for each other; empty if there was none
  };

  /// `threads`: what each does, from its first call to its last. `restore` brings all memory back to what it was.
  Explorer(std::vector<std::function<void()>> threads, std::function<void()> restore);
  ~Explorer();
  Explorer(const Explorer&) = delete;
  Explorer& operator=(const Explorer&) = delete;

  /// Every order, until all states are seen, or `most` are.
  Report every_order(std::size_t most);
  /// `runs` orders at random, some of which let stores wait long.
  Report random_orders(std::size_t runs, std::uint64_t seed);

  // What threads call, through ExploredMachine.
  static Explorer& here() { return *current_; }
  void read(std::uint64_t address, void* to, std::size_t bytes);
  /// A read that is repeated until others have written.
  void poll(std::uint64_t address, void* to, std::size_t bytes, std::size_t piece);
  void write(std::uint64_t address, const void* from, std::size_t bytes, std::size_t piece);
  void fence();
  /// The end of a kernel: until all stores of this thread are seen.
  void drain();
  /// A meeting of threads: all of one `group` (bit by thread) go on when all have come.
  void meet(std::uint64_t group);
  void fail(const std::string& what);
  /// The block that this thread is, and of how many.
  std::pair<std::uint32_t, std::uint32_t>& grid() { return threads_[running_].grid; }

 private:
  struct Store {
    std::uint64_t address = 0;
    std::vector<std::uint8_t> bytes = {};
    std::uint32_t era = 0;  // fences before it
  };
  struct Polled {
    std::uint64_t address = 0;
    std::vector<std::uint8_t> showed = {};
    std::uint64_t before = 0;  // the thread's history until then
  };
  struct Thread {
    ucontext_t context{};
    std::unique_ptr<std::uint8_t[]> stack;
    std::function<bool()> ready;  // may it go on? Empty: it has ended
    std::vector<Store> stores;
    std::uint32_t era = 0;
    std::uint64_t history = 0;   // of what it has read: with the same, it stands at the same place
    std::vector<Polled> polled;  // since the last other access
    std::uint32_t meetings = 0;
    std::pair<std::uint32_t, std::uint32_t> grid = {0, 1};
    std::uint64_t place = 0;  // where it waits: an address, or one of the marks
  };
  struct Choice {
    std::size_t thread = 0;
    std::size_t store = 0;  // one more than the store that is to be seen; 0: the thread goes on
  };

  void start();
  void go_on(std::size_t thread);
  void wait_until(std::uint64_t place, std::function<bool()> ready);
  std::vector<Choice> choices() const;
  void take(const Choice& choice);
  std::uint64_t state() const;
  void look(std::uint64_t address, void* to, std::size_t bytes);
  void learn(std::uint64_t address, std::size_t bytes);
  bool shared(std::uint64_t address, std::size_t bytes) const;
  bool all_ended() const;
  static void run_thread();
  static constexpr std::uint64_t at_start = 1, at_end = 2, at_drain = 3, at_meeting = 4;  // no addresses

  static inline Explorer* current_ = nullptr;
  std::vector<std::function<void()>> bodies_;
  std::function<void()> restore_;
  std::vector<Thread> threads_;
  ucontext_t scheduler_{};
  std::size_t running_ = 0;
  std::string wrong_;
  // Words that several threads touch; the others need no choices. Found while running: whatever is new begins the exploration anew.
  std::unordered_map<std::uint64_t, std::size_t> owners_;
  std::set<std::uint64_t> shared_;
  bool learned_ = false;
};

}  // namespace p2plab::test
