// SPDX-License-Identifier: Apache-2.0
#include "cuda/stages/call_limit.h"

namespace p2plab::cuda {

namespace {

using HostClock = std::chrono::steady_clock;

}  // namespace

CallLimit::CallLimit(Seconds limit, std::function<void()> give_up) : limit_(limit), give_up_(std::move(give_up)), touched_(HostClock::now()) {
  thread_ = std::thread([this] { watch(); });
}

CallLimit::~CallLimit() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CallLimit::touch() {
  const std::lock_guard lock(mutex_);
  touched_ = HostClock::now();
}

void CallLimit::gone() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }
  changed_.notify_all();
}

void CallLimit::watch() {
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::duration_cast<HostClock::duration>(limit_);
  while (!quit_ && !gone_ && HostClock::now() < touched_ + limit) changed_.wait_until(lock, touched_ + limit);
  if (quit_) return;
  expired_ = !gone_;
  lock.unlock();
  give_up_();
}

}  // namespace p2plab::cuda
