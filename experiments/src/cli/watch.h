// SPDX-License-Identifier: Apache-2.0
// A command's work under watch: the signals that ask it to end, its time, its memory. What it has found is kept and printed when it is cut off.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab::cli {

/// The work runs on a thread of its own; the main thread waits for signals and looks at clock and memory. Work that cannot be stopped is cut off: the
/// program then prints what was kept, says why, and ends without waiting for it. Members below `run` are for the work; any thread may call them.
class Watch {
 public:
  Watch();

  /// Runs `work` to its end. Its exceptions become errors that name what was being done. Does not return if the work is cut off.
  Status run(const std::function<Status()>& work);
  /// The exit code of an error: 130 for Ctrl-C, 143 and 129 for the other signals that end programs, else the error's own.
  int exit_code_of(const Error& error) const;

  /// What is being done, for messages: "planning all_reduce with forest".
  void doing(std::string what);
  /// The same, and on a terminal it is shown with the seconds that it has taken, if they are many.
  void showing(std::string what);
  /// From the start of the program. Work that stops by itself does so in time; other work is cut off within the tenth, or 0.2 s, that is promised.
  void limit_time(Seconds limit) { time_limit_ = limit.count(); }
  /// What is left of the time until the work should be done; none without a limit.
  std::optional<Seconds> time_left() const;
  /// The most memory that may be taken; half of the machine's if not set.
  void limit_memory(Bytes limit) { memory_limit_ = limit.count(); }
  /// An error if work that takes at least `needed` cannot be done in the memory that may be taken.
  Status afford(Bytes needed, const std::string& what) const;
  /// The work will ask whether it should end, so the first signal does not cut it off.
  void stops_when_asked() { stops_ = true; }
  /// Has a signal asked for the end?
  bool asked() const { return signal_ != 0; }
  /// What is to be done with the best result so far if the work is cut off; takes the place of what was kept before. It gets the reason.
  void keep(std::function<Status(const std::string& reason)> finish);
  /// A sentence for the error if the work is cut off and nothing was kept, such as a bound.
  void know(std::string sentence);
  /// All is found; only writing is left, which no limit of time cuts off. Does not return if the work is being cut off: then what was kept is
  /// written, and what it refers to stays. To be called before what `keep` refers to ends.
  void finishing();

  /// Writes to stdout. Errors: io, with the system's reason.
  Status print(std::string_view text);
  /// Writes a file that is whole or not there. Errors: io.
  Status write(const std::string& path, std::string_view text);
  /// Prints whatever became of a file that was written beside it: what was computed is not lost with a full disk. The error of the file, if it has
  /// one.
  Status print_after(Status written, std::string_view text);

 private:
  class Signals;
  enum class Writer { nobody, work, cut };  // whoever comes first writes, the other one does not
  // Why work is cut off.
  struct Cut {
    Error error;
    bool by_time = false;
    std::optional<Bytes> needed = std::nullopt;  // where memory is why
  };
  void look(const Signals& signals, int done);
  void show(bool end);
  std::optional<Cut> limit_passed(int statm) const;
  [[noreturn]] void cut(Cut why);
  Status guarded(const std::function<Status()>& work) const;
  Error show_after(Error error) const;
  Error with_what_is_known(Error error) const;
  std::string while_doing() const;
  double seconds() const;

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int shown_ = 0;  // seconds; by the main thread alone
  std::atomic<int> signal_{0};
  std::atomic<Writer> writer_{Writer::nobody};
  std::atomic<std::thread::id> cutter_{};
  std::atomic<bool> stops_{false};      // the work ends by itself when asked to
  std::atomic<double> time_limit_{-1};  // seconds; negative: none
  std::atomic<std::int64_t> memory_limit_;
  std::atomic<std::int64_t> pieces_{0};  // written to stdout
  mutable std::mutex mutex_;             // of what follows
  std::string doing_;
  bool shows_ = false;
  std::vector<std::string> known_;
  std::function<Status(const std::string&)> finish_;
};

}  // namespace p2plab::cli
