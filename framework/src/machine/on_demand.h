// SPDX-License-Identifier: Apache-2.0
// What is made of a machine when somebody first asks for it, once for all its copies, by any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "p2plab/base/once.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

template <class Value>
class MadeOnce {
 public:
  template <class Make>
  const Value& value(const Make& make) {
    const auto* made = made_.load(std::memory_order_acquire);
    if (made != nullptr) return *made;
    once_.run([&] {
      value_ = make();
      made_.store(value_.get(), std::memory_order_release);
    });
    return *value_;
  }

 private:
  Once once_;
  std::shared_ptr<const Value> value_;
  std::atomic<const Value*> made_ = nullptr;
};

struct Topology::OnDemand {
  MadeOnce<std::string> fingerprint;
  MadeOnce<std::vector<Automorphism>> symmetries;
  MadeOnce<Routes> routes;
};

}  // namespace p2plab
