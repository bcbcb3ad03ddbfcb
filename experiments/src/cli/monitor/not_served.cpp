// SPDX-License-Identifier: Apache-2.0
#include "cli/monitor/serve.h"

namespace p2plab::cli {

Status serve(const ServeOptions&, Watch&) {
  return Error{ErrorCode::not_built,
               "this program was built without cpp-httplib, which serves the page",
               std::nullopt,
               {"install libcpp-httplib-dev and build again; p2plab top shows the same in a terminal"}};
}

}  // namespace p2plab::cli
