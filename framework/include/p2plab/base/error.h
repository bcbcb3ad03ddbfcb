// SPDX-License-Identifier: Apache-2.0
// What the world can do wrong, as a value: a code, a sentence, a place, and notes that say what would be right.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace p2plab {

/// What kind of thing went wrong; decides the exit code.
enum class ErrorCode { invalid_input, unknown_name, unsupported, verification_failed, no_device, not_built, device_failure, io, usage, interrupted };

/// A place in a text that the user wrote; lines and columns count from 1, 0 means unknown.
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
  std::string text = {};  // the line itself; where given, messages show it with a caret under the column
};

/// One failure. `more` holds further failures found in the same pass (a config reports all its mistakes at once).
struct Error {
  ErrorCode code = ErrorCode::invalid_input;
  std::string message;
  std::optional<SourceLocation> where = std::nullopt;
  std::vector<std::string> notes = {};
  std::vector<Error> more = {};
};

/// The text for stderr: `file:line:column: error: message`, the line with a caret where it is known, each note on its own line, then the
/// further errors. Ends with a newline.
std::string describe(const Error& error);

/// The process exit code of an error: 1 input or machine, 2 usage, 3 verification failed.
int exit_code(const Error& error);

/// The candidate nearest to `name`: the only one that begins with it, else the nearest by edit distance; empty if none is near enough to be meant.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

/// "unknown KIND 'name'" with the nearest name and the list of known ones as notes.
Error unknown_name(const std::string& kind, const std::string& name, const std::vector<std::string>& candidates);

}  // namespace p2plab
