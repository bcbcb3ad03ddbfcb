// SPDX-License-Identifier: Apache-2.0
// What long work says while it runs: an interface handed down, so no library function owns a terminal.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace p2plab {

/// Hears how far long work has come. Calls may come from several threads, one at a time.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A new piece of work begins, `total` units long.
  virtual void stage(std::string_view name, std::int64_t total) = 0;
  /// One more unit of the stage is done; `what` names it.
  virtual void advance(std::string_view what) = 0;
  /// Something the user should read: what was skipped and why, a warning.
  virtual void note(std::string_view text) = 0;
};

/// Says nothing.
class SilentProgress final : public Progress {
 public:
  void stage(std::string_view, std::int64_t) override {}
  void advance(std::string_view) override {}
  void note(std::string_view) override {}
};

/// Keeps the notes, for tests and for callers that print them later.
class RecordingProgress final : public Progress {
 public:
  void stage(std::string_view, std::int64_t) override {}
  void advance(std::string_view) override {}
  void note(std::string_view text) override { notes_.emplace_back(text); }
  const std::vector<std::string>& notes() const& { return notes_; }
  const std::vector<std::string>& notes() && = delete;

 private:
  std::vector<std::string> notes_;
};

/// One line that is redrawn, for a terminal.
std::unique_ptr<Progress> terminal_progress(std::ostream& out);
/// A line when a stage begins and one for each note, for logs and pipes.
std::unique_ptr<Progress> plain_progress(std::ostream& out);

}  // namespace p2plab
