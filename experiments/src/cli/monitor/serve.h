// SPDX-License-Identifier: Apache-2.0
// The monitor as a page: read-only, for this machine unless a token is given, for no other origin.
#pragma once

#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/watch.h"
#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab::cli {

struct ServeOptions {
  std::string address;  // "127.0.0.1:8080"; port 0: any that is free
  std::string token;
  std::string folder;
  bool ended = false;
  Seconds lasting{0};
  MachineArgument machine = {};  // that is drawn; not given: this one
};

/// Serves until asked to end, or for so long. Says on stdout where. Errors: usage, for an address that others reach without a token; io; not_built.
Status serve(const ServeOptions& options, Watch& watch);

std::string_view monitor_page();
/// The machine in JSON, for the page: its drawing, and for each GPU, in CUDA's order, its name and the bytes a second that leave it by NVLink (of
/// GPUs without: by all links); or why none was detected. Errors: those of `resolve_machine`, for a machine that is named.
Result<std::string> machine_json(const MachineArgument& machine);

}  // namespace p2plab::cli
