// SPDX-License-Identifier: Apache-2.0
// Puts whatever can be called on a stream.
#pragma once

#include <functional>
#include <utility>

#include "support/host_gpu/streams.h"

namespace p2plab::test {

inline void enqueue(void* stream, std::function<void()> work) {
  host_stream_put(
      stream, [](void* data) { (*static_cast<std::function<void()>*>(data))(); },
      [](void* data) { delete static_cast<std::function<void()>*>(data); }, new std::function<void()>(std::move(work)));
}

}  // namespace p2plab::test
