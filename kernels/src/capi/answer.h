// SPDX-License-Identifier: Apache-2.0
// How the C interface answers: results of ours as its numbers, the sentence kept for the thread, nothing thrown.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "capi/recording.h"
#include "p2plab/c/p2plab.h"
#include "p2plab/run/rendezvous.h"
#include "runtime/engine.h"

namespace p2plab::capi {
struct Repairs;
}

struct p2plab_comm {
  std::shared_ptr<p2plab::runtime::Engine> engine;
  int rank = 0;
  std::uint64_t number = 0;                                          // the same on all its ranks
  std::unique_ptr<p2plab::capi::CallRecording> recording = nullptr;  // null: nothing is recorded (P2PLAB_MONITOR)
  std::optional<p2plab::Invitation> met = std::nullopt;              // where its ranks met; none: all are in this process
  std::shared_ptr<p2plab::capi::Repairs> repairs = nullptr;          // of those
};

namespace p2plab::capi {

/// What went wrong in this thread's last call that failed.
std::string& last_error();
/// Keeps the sentence; the error's number.
p2plab_result failed(const Error& error);
p2plab_result invalid(const char* why);
p2plab_result outcome(const Status& status);
/// Runs a call, and records it where that is asked for.
p2plab_result run(const p2plab_comm& comm, const CallRecording::Asked& asked);
/// A call in our terms. Errors: invalid_input.
Result<runtime::Call> call_of(const p2plab_call& given, int ranks);

/// An all-reduce with an epilogue, and its tensors. Errors: invalid_input.
Result<runtime::Call> call_of(const p2plab_call& given, const p2plab_epilogue& epilogue, int ranks);
EpilogueBuffers buffers_of(const p2plab_epilogue& epilogue);

// Nothing that is thrown below, memory that runs out above all, reaches a caller that knows no exceptions.
template <class Body>
p2plab_result guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& thrown) {
    try {
      return failed({ErrorCode::device_failure, thrown.what()});
    } catch (...) {
      return P2PLAB_FAILED;
    }
  } catch (...) {
    return P2PLAB_FAILED;
  }
}

}  // namespace p2plab::capi
