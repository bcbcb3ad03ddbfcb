// SPDX-License-Identifier: Apache-2.0
// One job in several processes of this machine, one a rank: how they start, what they exchange, and how all learn that one is gone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "p2plab/base/file_descriptor.h"
#include "p2plab/base/result.h"
#include "p2plab/program/executor.h"

namespace p2plab {

/// A rank's place in a job. All ranks make the same calls in the same order. Whatever keeps one rank from answering ends the call in an error on all
/// others that names it: at once if its process has ended, after the job's timeout if it lives but does not come.
class Session {
 public:
  virtual ~Session() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  /// Everybody's message, by rank; at most 60 KiB each.
  virtual Result<std::vector<std::string>> all_gather(const std::string& mine) = 0;
  /// Everybody's open file, by rank; one's own is a duplicate.
  virtual Result<std::vector<FileDescriptor>> share(int mine) = 0;
  /// Returns when all ranks have called it.
  Status barrier();

  /// This rank's address, as number, on the network over which it met the others: where they reach it.
  virtual std::string address() const { return "127.0.0.1"; }
  /// Success, or why this job cannot go on: the rank that is gone.
  virtual Status state() const = 0;
  /// Until what is returned goes, `listener` is called, once and from another thread, when a rank is gone (at once, from this one, if one is). The
  /// session must outlive what is returned.
  [[nodiscard]] virtual std::shared_ptr<void> on_loss(std::function<void()> listener) = 0;
};

struct LaunchOptions {
  int ranks = 1;
  Seconds timeout{30};           // how long a living rank may keep the others waiting in one call
  int version_of_last_rank = 0;  // tests: what the last rank says its version of the protocol is; 0: the true one
};

/// Runs `body` in a new process for each rank and waits for all: what each returned, by rank; device_failure, with the signal or exit code, for one
/// that ended in another way. The processes are copies of this one (fork), so call it before the program has threads or uses a GPU. They end with
/// this process. Errors: io, if processes cannot be made.
Result<std::vector<Status>> run_processes(const LaunchOptions& options, const std::function<Status(Session&)>& body);

/// What a rank brings to the agreement on how to run one program.
struct Offer {
  std::string build;     // version of p2plab
  std::string digest;    // of the program and how it is to be run
  std::string obstacle;  // why this rank cannot take part; empty: it can
};

/// All ranks run this on the same offers, so all agree: success, or unsupported with the same reason on all.
Status agree(const std::vector<Offer>& offers);
/// Exchanges the offers and agrees.
Status agree(Session& session, const Offer& mine);

/// Executor `host`, each rank's share in its own process. Ranks of one server share their memory; those of several exchange messages over TCP, and
/// what runs is the program cut where it crosses servers (segments/segments.h).
std::unique_ptr<Executor> host_processes(Session& session);
/// Executor `cuda`, each rank's GPU driven by its own process, GPU memory shared through CUDA's handles. If a rank cannot share, all get
/// `unsupported` with the same reason. `session` must outlive it.
std::unique_ptr<Executor> cuda_processes(Session& session);
/// Executor `nccl`, each rank in its own process, on one server or on several.
std::unique_ptr<Executor> nccl_processes(Session& session);

}  // namespace p2plab
