// SPDX-License-Identifier: Apache-2.0
// The ranks of this process in a communicator, and what serves their calls: our programs over peer memory or host memory, or NCCL.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "network/carriers.h"
#include "p2plab/run/rendezvous.h"
#include "runtime/device_calls.h"
#include "runtime/gpu_programs.h"
#include "runtime/link_watch.h"
#include "runtime/running_machine.h"

namespace p2plab::runtime {

enum class Backend { automatic, p2p, host, nccl, none };
std::string_view to_string(Backend backend);
Result<Backend> backend(std::string_view name);

/// Chooses plans; made from tuned tables and the built-in tuning. All ranks, told the same, choose alike.
class Chooser {
 public:
  virtual ~Chooser() = default;
  /// Once, before anything is chosen: where the ranks run, and whether data was asked to go through host memory whatever the GPUs reach. What a
  /// person should know of it. Errors: invalid_input, if what it was made from is for another machine.
  virtual Result<std::vector<std::string>> settle(const RunningMachine& machine, bool by_host) = 0;
  /// Once, before anything is chosen for ranks on several servers: how many communicators carry large messages between them, and whether over
  /// sockets.
  virtual void carried_by(int carriers, bool sockets) = 0;
  virtual Result<ChosenPlan> choose(const Call& call, int ranks, const Topology& machine) const = 0;
  /// Why NCCL is to serve this call; empty: it is not.
  virtual std::string prefers_nccl(const Call& call, int ranks) const = 0;
  /// Of a call with an epilogue: are the plain call and a kernel for the rows faster than one program for both?
  virtual bool rows_apart(const Call& call, int ranks) const = 0;
  /// Tells choosers apart: ranks must have equal ones.
  virtual std::string digest() const = 0;
};

struct EngineOptions {
  Backend backend = Backend::automatic;
  std::vector<Call> prepare = {};                // made ready at the beginning; they serve shorter calls of their kind, too
  bool only_ready = false;                       // a call without a program is not served, instead of waiting for one
  bool start_later = false;                      // `prepare` is made ready by make_ready, not at the beginning
  bool nccl = true;                              // may NCCL be loaded?
  std::optional<CallersNccl> callers_nccl = {};  // carries messages between servers, where NCCL is not to be loaded
  int at_once = 1;
  bool recorded = false;                // calls may name a journal: CommunicatorOptions::recorded
  bool steps = false;                   // and note their steps: CommunicatorOptions::steps
  int most_blocks = 0;                  // of a call's kernels, so that they occupy at most so many multiprocessors; 0: as many as are fast
  Bytes most{std::int64_t{256} << 20};  // longer calls go in pieces of that size
  Seconds timeout{60};
  Seconds deadline{0};                               // of kernels: CommunicatorOptions::deadline
  std::function<void(const std::string&)> say = {};  // fallbacks and what else a person should know
  Seconds watch{0};                                  // between looks at the GPUs' links; 0: nobody looks
};

/// What of an engine's machine was lost since its process first looked.
struct MachineLoss {
  std::string text = {};                        // empty: nothing
  std::vector<int> ranks = {};                  // whose GPUs are gone
  std::vector<std::pair<int, int>> pairs = {};  // of ranks that reach each other by NVLink no more, the lower first

  bool ends_calls() const { return !ranks.empty() || !pairs.empty(); }
};

/// What served a call; of one that went in pieces, the first of them.
struct ServedBy {
  Backend backend = Backend::none;
  const ReadyProgram* program = nullptr;  // null: no program of ours
};

/// Of a call that goes in pieces each is an entry of its own; in the counts it is one.
inline CallJournal journal_of_piece(CallJournal journal, bool last) {
  if (!last) journal.counts = 0;
  return journal;
}

/// Parts of a call that others on the GPU wait for, or make: chunk after chunk of `chunk_elements`.
struct Signals {
  std::int64_t chunks = 1;
  std::uint64_t done = 0;  // address of a word for each, which shows done_value once the chunk's results are there; 0: nobody waits
  std::uint32_t done_value = 1;
  std::uint64_t given = 0;  // the same of the input: a chunk is not read before its word shows given_value or more; 0: all is there
  std::uint32_t given_value = 1;
};
/// Elements of each chunk, but for the last ones, which may be shorter or empty: whole vectors or rows.
std::int64_t chunk_elements(const Call& call, std::int64_t chunks);

class Engine {
 public:
  /// All ranks in this process, rank r on devices[r].
  static Result<std::unique_ptr<Engine>> create(const std::vector<int>& devices, std::shared_ptr<Chooser> chooser, const EngineOptions& options);
  /// This process is one rank. All ranks call it together.
  static Result<std::unique_ptr<Engine>> create(std::unique_ptr<Session> session, int device, std::shared_ptr<Chooser> chooser,
                                                const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  Engine(Engine&&) = delete;
  Engine& operator=(Engine&&) = delete;

  int ranks() const { return ranks_; }
  int servers() const { return servers_.count(); }
  int device(int rank) const { return here_.at(rank).device; }

  /// A rank has made these calls already, which others served. What is to be prepared is asked for first.
  void count(int rank, std::vector<Call> calls);
  /// Makes ready what was to be prepared, and waits.
  Status make_ready();
  /// Puts a call on a stream of the rank's GPU. False: not served (only_ready); nothing was put there, on any rank.
  Result<bool> run(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by = nullptr);
  /// The same chunk by chunk. Errors: unsupported (not an all-reduce; only_ready).
  Result<bool> run_signalled(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, const Signals& signals);
  /// Decides now what serves the rank's next call, which is this one, over several servers: so that who has to may begin it later, outside of NCCL's
  /// groups. False: it will not be served.
  Result<bool> reserve(int rank, const Call& call);
  /// Is a call not served because it is the NCCL's that the caller has?
  bool left_to_nccl(const Call& call) const;
  /// Makes a program for exactly this call, and waits; all ranks together.
  Status prepare(const Call& call);
  /// Which backend serves a call, in which form, and why.
  std::string explain(const Call& call) const;
  /// Success, or what failed: a rank that is gone, a kernel that gave up waiting, NCCL's own error.
  Status state() const;
  /// As NVML says now.
  MachineLoss loss() const;
  /// Has losses told by a thread of ours.
  void tell_losses(std::function<void(const MachineLoss&)> told);
  /// Ends what waits, here and on the other ranks.
  void abort(const std::string& why);
  /// Waits until what is being made is made. Then the ranks may leave.
  void finalize();
  /// May a rank leave? Errors: invalid_input where, after as long as ranks wait for each other, graphs hold calls of NCCL's.
  Status may_leave(int rank) const;

 private:
  struct Side {
    int device = 0;
    void* last_stream = nullptr;
    bool used = false;
    std::optional<device::Order> order = std::nullopt;
    std::vector<std::shared_ptr<void>> sums = {};  // of a plain call, that rows read; the last one is used
    std::deque<const ReadyProgram*> reserved = {};
    std::shared_ptr<void> late = nullptr;  // a word of pinned memory: number + 1 of the first chunk that was not given in time
  };

  Engine(std::shared_ptr<Chooser> chooser, EngineOptions options, int ranks);
  Status meet_servers();
  Status begin(const std::vector<GpuPrograms::Here>& here);
  Status look_at_machine(const std::vector<GpuPrograms::Here>& here);
  void take_ways(const RunningMachine& running, const std::vector<std::pair<int, int>>& apart);
  // losses.cpp
  Result<std::vector<std::pair<int, int>>> pairs_apart(const RunningMachine& running);
  void watch_links();
  MachineLoss loss_of(const Loss& loss) const;
  void lost(const Loss& loss);
  bool over_servers() const { return server_session_ != nullptr; }
  bool ours_was_asked_for() const { return options_.backend == Backend::p2p || options_.backend == Backend::host; }
  bool by_nccl(const Call& call) const;
  bool nccl_serves(const Call& call) const;
  Status agree_on_chooser();
  Status load_nccl(const std::vector<GpuPrograms::Here>& here);
  Status take_carriers(const GpuPrograms::Here& here);
  Result<std::vector<std::string>> gathered(const std::string& mine) const;
  void say_refusal(const Call& call, const Error& why) const;
  void fall_back(Backend to, const std::string& why);
  std::optional<Call> wider(const Call& call) const;
  Result<bool> run_piece(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  // engine_fused.cpp
  Result<bool> run_fused(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  Result<bool> fuse_piece(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  Result<bool> rows_apart(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  Result<bool> rows_by_owners(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  Result<bool> gather_rows(int rank, const Call& call, std::int64_t rows, const DeviceBuffers& buffers, void* stream);
  Status run_rows(Side& side, const Call& call, std::uint64_t source, const EpilogueBuffers& buffers, void* stream);
  Result<std::uint64_t> room_for(int rank, Bytes size, void* stream);
  Status prepare_fused(const Call& call, void* stream);
  Status prepare_plain(const Call& call);
  bool apart(const Call& call) const;
  std::int64_t rows_at_once(const Call& call) const;
  bool long_one(const Call& call) const;
  std::int64_t elements_of_a_piece(const Call& call) const;
  std::vector<Call> programs_of(const Call& call) const;
  Result<bool> run_in_pieces(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by);
  Status keep_order(Side& side, void* stream);
  void say(const std::string& text) const;

  std::shared_ptr<Chooser> chooser_;
  EngineOptions options_;
  int ranks_;
  Backend backend_;
  std::string reason_;
  std::unique_ptr<Session> session_;
  Servers servers_;
  std::unique_ptr<Session> server_session_;  // of the ranks of this one's server; null: all are
  std::map<int, Side> here_;
  std::optional<Topology> machine_;
  std::optional<Communicator> communicator_;
  std::unique_ptr<GpuPrograms> maker_;
  std::unique_ptr<NcclCalls> nccl_;
  std::unique_ptr<NcclCalls> callers_nccl_;  // carries messages, and serves no calls
  std::unique_ptr<Carriers> carriers_;       // of messages between servers
  std::unique_ptr<AgreedPrograms> programs_;
  std::mutex making_room_;
  Bytes sums_size_{0};
  mutable std::mutex ending_;
  std::optional<Error> aborted_;
  std::map<int, std::string> gpus_;  // by rank, where they are: those of this one's server
  std::mutex telling_;
  std::function<void(const MachineLoss&)> told_;
  std::shared_ptr<void> watching_;   // links
  std::shared_ptr<void> listening_;  // to the loss of a rank, for which NCCL's kernels would wait without end; the first to go
};

}  // namespace p2plab::runtime
