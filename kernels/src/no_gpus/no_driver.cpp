// SPDX-License-Identifier: Apache-2.0
// For p2plab-run-without-gpus, which ./dev run builds where it finds no driver.
#include <string>

#include "no_gpus/reason.h"

namespace p2plab::backend {

Error without(const char* what) {
  return Error{.code = ErrorCode::no_device,
               .message = std::string{what} + " was left out: ./dev run found no NVIDIA driver on this machine",
               .notes = {"./dev build builds a program that has it"}};
}

}  // namespace p2plab::backend
