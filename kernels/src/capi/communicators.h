// SPDX-License-Identifier: Apache-2.0
// One rank's beginning, whatever asked for it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "capi/answer.h"
#include "p2plab/run/rendezvous.h"

namespace p2plab::capi {

struct Beginning {
  p2plab_comm** comm = nullptr;
  int ranks = 1;
  Invitation invitation;
  int rank = 0;
  int device = 0;
  const p2plab_config* config = nullptr;
  FileDescriptor listener = {};                        // where the ranks meet, opened before they knew that it is there
  bool tuned = true;                                   // by tables, if there are any
  std::optional<std::uint64_t> number = std::nullopt;  // of the communicator; none: that of the place
};
p2plab_result init_rank(Beginning beginning);

/// Ranks that are all in this process.
struct AllHere {
  std::shared_ptr<runtime::Engine> engine;
  std::uint64_t number = 0;
  std::shared_ptr<Repairs> repairs;
  std::set<int> taken = {};  // ranks of it that were handed out
};
/// `tuned`: by tables, if there are any.
Result<AllHere> init_here(const std::vector<int>& devices, const p2plab_config* config, bool tuned = true);
/// The communicator of one of them.
std::unique_ptr<p2plab_comm> rank_here(const AllHere& all, int rank);

/// What goes on in the stead of ranks of one process, by those that are left: the first one that asks makes it for all.
struct Repairs {
  std::mutex mutex;
  std::map<std::vector<int>, AllHere> made;  // without an engine: taken by all
};

}  // namespace p2plab::capi
