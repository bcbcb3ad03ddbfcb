// SPDX-License-Identifier: Apache-2.0
// What a run was given, kept so that it can be run again from the copy alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/report/report.h"

namespace p2plab {

struct Inputs {
  std::string config;                   // where the config lies among the files
  std::vector<Attachment> files = {};   // the config, and every file that it names (machines, profiles, plans, tables), by relative paths
  std::vector<std::string> given = {};  // their paths as they were given, in the same order
};

/// The config `text` of `path`, with all files that it names; they lie to each other as they did. Names of absolute paths are written anew in the
/// copy. Errors: io.
Result<Inputs> inputs_of(std::string_view text, const std::string& path);

}  // namespace p2plab
