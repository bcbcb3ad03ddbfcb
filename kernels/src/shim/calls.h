// SPDX-License-Identifier: Apache-2.0
// Collectives as they are called: ours if our program is ready for them, which is so on all ranks alike; else NCCL's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "p2plab/c/beside_nccl.h"
#include "shim/real_library.h"

namespace p2plab::shim {

/// A collective as it was called, and the real function with the same arguments.
struct Collective {
  p2plab_kind kind = P2PLAB_ALL_REDUCE;
  const void* send = nullptr;
  void* receive = nullptr;
  std::size_t count = 0;
  int type = 0;
  int op = 0;
  int root = 0;
  Comm comm = nullptr;
  Stream stream = nullptr;
};

/// A communicator that NCCL was asked for.
struct MadeComm {
  Comm* comm = nullptr;  // where NCCL puts it, at the latest when the group ends
  std::string name = {};
  std::string place = {};  // where its ranks exchange how to meet; empty: nowhere
  int ranks = 0;
  int rank = 0;
  int device = 0;
};

/// This thread's groups: how deep, what was called and made in them, and whether NCCL itself is at work, whose own calls of its names are no
/// calls of the program's.
struct Thread {
  int depth = 0;
  bool inside = false;
  std::vector<Collective> held = {};
  std::vector<Collective> decided = {};
  std::vector<MadeComm> made = {};
};
Thread& thread();

class Inside {
 public:
  Inside() : before_(thread().inside) { thread().inside = true; }
  ~Inside() { thread().inside = before_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  Inside(Inside&&) = delete;
  Inside& operator=(Inside&&) = delete;

 private:
  bool before_;
};

/// Calls a function of NCCL.
template <class... Declared, class... Given>
int real(int (*function)(Declared...), Given... arguments) {
  const Inside inside;
  return function(arguments...);
}

/// NCCL's function with these arguments.
int pass_on(const Collective& c);
/// Begins a collective, or, in a group, keeps it until the group ends: so a call counts the same whether its rank had to group it or not. NCCL's own
/// are kept, too: NCCL gets its calls in their order, as it does from ranks without the shim.
int call(const Collective& c);
/// Begins what the outermost group of this thread held, before NCCL's group ends; the first result that is no success. What our plans for several
/// servers serve is only decided, for NCCL's messages would wait for the group's end: `end_held` begins it, after that.
int begin_held();
/// The same before the group ends, if a call of it uses this operation, which is about to go.
int begin_held_with(int op, Comm comm);
int end_held();

}  // namespace p2plab::shim
