// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

namespace p2plab {

/// Work that is done once, whoever comes first: the others wait for it. Unlike std::call_once it lets an exception pass no function of the C library,
/// which ends the program where glibc finds no memory to load its unwinder with. After an exception the next caller tries again.
class Once {
 public:
  template <class Work>
  void run(const Work& work) {
    const std::lock_guard lock(mutex_);
    if (done_) return;
    work();
    done_ = true;
  }

 private:
  std::mutex mutex_;
  bool done_ = false;
};

}  // namespace p2plab
