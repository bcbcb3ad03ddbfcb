// SPDX-License-Identifier: Apache-2.0
// Files that hold results: a good one is replaced only by a whole one, and whether one can be written is known before the work.
#pragma once

#include <string>
#include <string_view>

#include "p2plab/base/result.h"

namespace p2plab {

/// Writes a file beside `path`, and puts it in the place of `path` once all of it is on the disk; so whoever opens `path` finds the former content
/// or the new one. A link stays a link: what it leads to is replaced. What is no regular file (a pipe, a device) is written to as it is.
/// Errors: io, with the system's reason.
Status write_whole(const std::string& path, std::string_view text);

/// Would `write_whole` be allowed to write `path`? Changes nothing, and waits for no reader of a pipe. Errors: io.
Status can_write(const std::string& path);

/// Makes `directory` if it is missing, and tries whether files can be made in it. Errors: io.
Status can_write_into(const std::string& directory);

}  // namespace p2plab
