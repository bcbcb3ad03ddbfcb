// SPDX-License-Identifier: Apache-2.0
#include "nccl/graph_holds.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <utility>

#include "runtime/device_calls.h"

namespace p2plab::runtime {

struct GraphHolds::Body {
  using Hold = std::pair<int, std::uint64_t>;  // a rank and a capture's number

  bool add(const Hold& hold) {
    const std::lock_guard lock(mutex);
    return holds.insert(hold).second;
  }
  void remove(const Hold& hold) {
    const std::lock_guard lock(mutex);
    holds.erase(hold);
    fewer.notify_all();
  }
  int of(int rank) const { return static_cast<int>(std::distance(holds.lower_bound({rank, 0}), holds.lower_bound({rank + 1, 0}))); }

  std::mutex mutex;
  std::condition_variable fewer;
  std::set<Hold> holds;
};

GraphHolds::GraphHolds() : body_(std::make_shared<Body>()) {}

Status GraphHolds::hold(int rank, void* stream) {
  const auto capture = device::capture_of(stream);
  if (!capture) return capture.error();
  if (*capture == 0 || !body_->add({rank, *capture})) return {};
  auto watched = device::watch_graph(stream, [body = body_, hold = Body::Hold{rank, *capture}] { body->remove(hold); });
  if (!watched) body_->remove({rank, *capture});
  return watched;
}

void GraphHolds::forget() {
  const std::lock_guard lock(body_->mutex);
  body_->holds.clear();
  body_->fewer.notify_all();
}

int GraphHolds::left(int rank, std::chrono::steady_clock::time_point until) const {
  std::unique_lock lock(body_->mutex);
  body_->fewer.wait_until(lock, until, [&] { return body_->of(rank) == 0; });
  return body_->of(rank);
}

}  // namespace p2plab::runtime
