// SPDX-License-Identifier: Apache-2.0
// Communicators of NCCL, and ours beside them: set up in a thread of its own while NCCL serves, found by what all its ranks know.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "p2plab/c/beside_nccl.h"
#include "shim/real_library.h"

namespace p2plab::shim {

/// The functions of libp2plab.so, from beside this library; loaded when the first communicator is made.
struct Runtime {
  decltype(&p2plab_named_unique_id) named_unique_id = nullptr;
  decltype(&p2plab_comm_init_rank) init_rank = nullptr;
  decltype(&p2plab_open_place) open_place = nullptr;
  decltype(&p2plab_comm_init_place) init_place = nullptr;
  decltype(&p2plab_comm_servers) servers = nullptr;
  decltype(&p2plab_reserve) reserve = nullptr;
  decltype(&p2plab_comm_init_all) init_all = nullptr;
  decltype(&p2plab_comm_start) start = nullptr;
  decltype(&p2plab_comm_ready) ready = nullptr;
  decltype(&p2plab_comm_destroy) destroy = nullptr;
  decltype(&p2plab_comm_abort) abort = nullptr;
  decltype(&p2plab_comm_async_error) async_error = nullptr;
  decltype(&p2plab_all_reduce) all_reduce = nullptr;
  decltype(&p2plab_reduce) reduce = nullptr;
  decltype(&p2plab_reduce_scatter) reduce_scatter = nullptr;
  decltype(&p2plab_all_gather) all_gather = nullptr;
  decltype(&p2plab_broadcast) broadcast = nullptr;
  decltype(&p2plab_gather) gather = nullptr;
  decltype(&p2plab_scatter) scatter = nullptr;
  decltype(&p2plab_all_to_all) all_to_all = nullptr;
  decltype(&p2plab_last_error) last_error = nullptr;
  bool loaded = false;
};
const Runtime& runtime();

/// P2PLAB_ORDER=fixed: sums are ours alone, for NCCL's order hangs on the size.
bool one_order_of_sums();

/// A communicator of ours, which ends when the last one lets go of it: NCCL's may be aborted by one thread while another one is within a call.
using Ours = std::shared_ptr<p2plab_comm>;

/// One rank of a communicator of NCCL.
class Peer {
 public:
  /// `meets`: its ranks were set up one by one, and meet again when they end. `place`: where they exchange how to meet; empty: on one machine only.
  Peer(std::string name, std::string place, int side, bool meets) : side_(side), meets_(meets), name_(std::move(name)), place_(std::move(place)) {}

  bool meets() const { return meets_; }

  /// Its place in the record of calls; -1: nothing is recorded.
  int side() const { return side_; }

  /// What all ranks of the communicator know it by.
  const std::string& name() const { return name_; }
  const std::string& place() const { return place_; }
  /// A name for one made from it; all ranks make them in the same order.
  std::string next_name(const std::string& how);

  /// Notes a call that may be ours; ours, if it is set up.
  Ours note(const p2plab_call& call);
  /// Ours is there, and is told of the calls that NCCL's had so far. False: nobody wants it.
  bool publish(Ours ours);
  void give_up();
  /// Waits until ours is set up or given up, at most so long.
  void wait(double seconds);
  /// Ours, if it is set up, taken away for good.
  Ours take();
  Ours ours();

 private:
  int side_;
  bool meets_;
  std::string name_;
  std::string place_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Ours ours_;
  std::vector<p2plab_call> calls_;  // until ours is there
  unsigned long long made_ = 0;
  bool over_ = false;   // set up, or given up
  bool taken_ = false;  // NCCL's is gone
};

/// A communicator of NCCL as its rank of this process was made.
struct NewComm {
  Comm comm = nullptr;
  std::string name = {};
  std::string place = {};
  int ranks = 0;
  int rank = 0;
  int device = 0;
};

class Communicators {
 public:
  std::shared_ptr<Peer> find(Comm comm);
  /// A new communicator of NCCL; ours is set up in the background, and waited for.
  void add(const NewComm& made, bool wait);
  /// All ranks of one in this process, by rank.
  void add_all(const std::vector<Comm>& comms, const std::vector<int>& devices);
  /// NCCL's is being destroyed, or aborted.
  void remove(Comm comm, bool abort);

 private:
  std::shared_ptr<Peer> keep(Comm comm, std::shared_ptr<Peer> peer);
  std::shared_ptr<Peer> drop(Comm comm, bool& last);

  std::shared_mutex mutex_;
  std::unordered_map<Comm, std::shared_ptr<Peer>> all_;
  std::unordered_map<std::string, std::vector<std::thread>> ending_;  // by name: ranks of this process that wait for its others
};

Communicators& communicators();

/// The GPU that is this thread's current one, as CUDA's driver knows it.
int current_device();

}  // namespace p2plab::shim
