// SPDX-License-Identifier: Apache-2.0
#include "cli/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "cli/memory_use.h"
#include "p2plab/base/file_descriptor.h"
#include "p2plab/base/quantity.h"
#include "p2plab/report/files.h"

namespace p2plab::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int look_every = 20;                     // milliseconds: memory fills at some GB/s at most
constexpr double share_over = 0.1;                 // of a time limit, or
constexpr double seconds_over = 0.2;               // whichever is more: by then the program has ended,
constexpr double part_until_cut = 0.6;             // and after this part of it work is cut off
constexpr std::chrono::seconds grace_to_write{1};  // for the rest of a file, once a signal has come

const char* const more_memory = "--memory-limit SIZE allows more; it is half of the machine's memory if not given";

}  // namespace

// The signals that ask for an end, held back in all threads and read from a descriptor.
class Watch::Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int one : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction action {};
      if (sigaction(one, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;  // as nohup sets it, and a shell for `&`
      sigaddset(&set_, one);
    }
    pthread_sigmask(SIG_BLOCK, &set_, &former_);
    descriptor_ = FileDescriptor{signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK)};
  }
  ~Signals() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  Signals(Signals&&) = delete;
  Signals& operator=(Signals&&) = delete;

  int descriptor() const { return descriptor_.get(); }
  /// The next one that has come; 0: none.
  int next() const {
    signalfd_siginfo information{};
    return read(descriptor_.get(), &information, sizeof information) == static_cast<ssize_t>(sizeof information)
               ? static_cast<int>(information.ssi_signo)
               : 0;
  }

 private:
  sigset_t set_{};
  sigset_t former_{};
  FileDescriptor descriptor_;
};

Watch::Watch() : memory_limit_(usual_memory_limit().count()) {}

double Watch::seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

int Watch::exit_code_of(const Error& error) const {
  constexpr int signals_from = 128;
  return error.code == ErrorCode::interrupted && signal_ != 0 ? signals_from + signal_ : exit_code(error);
}

void Watch::doing(std::string what) {
  const std::lock_guard lock(mutex_);
  doing_ = std::move(what);
}

void Watch::showing(std::string what) {
  const std::lock_guard lock(mutex_);
  doing_ = std::move(what);
  shows_ = true;
}

// A line on a terminal, once a second; gone before anything is printed.
void Watch::show(bool end) {
  const auto now = static_cast<int>(seconds());
  if (end || writer_ != Writer::nobody) {
    if (shown_ > 0) std::cerr << "\r\x1b[K" << std::flush;
    shown_ = 0;
    return;
  }
  if (now < 2 || now == shown_ || isatty(STDERR_FILENO) == 0) return;
  const std::lock_guard lock(mutex_);
  if (!shows_) return;
  shown_ = now;
  std::cerr << fmt::format("\r\x1b[K{}: {} s", doing_, now) << std::flush;
}

std::optional<Seconds> Watch::time_left() const {
  if (time_limit_ < 0) return std::nullopt;
  return Seconds{std::max(0.0, time_limit_ - seconds())};
}

Status Watch::afford(Bytes needed, const std::string& what) const {
  const Bytes limit{memory_limit_};
  if (needed <= limit) return {};
  return with_what_is_known({ErrorCode::unsupported,
                             fmt::format("{} takes at least {} of memory; the limit is {}", what, about_memory(needed), about_memory(limit)),
                             std::nullopt,
                             {more_memory}});
}

void Watch::keep(std::function<Status(const std::string&)> finish) {
  const std::lock_guard lock(mutex_);
  finish_ = std::move(finish);
}

void Watch::know(std::string sentence) {
  const std::lock_guard lock(mutex_);
  known_.push_back(std::move(sentence));
}

void Watch::finishing() {
  auto writer = Writer::nobody;
  if (writer_.compare_exchange_strong(writer, Writer::work) || writer == Writer::work || cutter_.load() == std::this_thread::get_id()) return;
  while (true) pause();
}

Status Watch::print(std::string_view text) {
  finishing();
  constexpr std::size_t piece = 4096;  // a write to a pipe that is read slowly is seen to go on
  while (!text.empty()) {
    const auto count = ::write(STDOUT_FILENO, text.data(), std::min(text.size(), piece));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      pollfd ready{STDOUT_FILENO, POLLOUT, 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (count < 0) return Error{ErrorCode::io, fmt::format("cannot write to stdout: {}", std::strerror(errno))};
    text.remove_prefix(static_cast<std::size_t>(count));
    ++pieces_;
  }
  return {};
}

Status Watch::write(const std::string& path, std::string_view text) {
  finishing();
  return write_whole(path, text);
}

Status Watch::print_after(Status written, std::string_view text) {
  auto printed = print(text);
  return written ? std::move(printed) : std::move(written);
}

Error Watch::with_what_is_known(Error error) const {
  const std::lock_guard lock(mutex_);
  error.notes.insert(error.notes.end(), known_.begin(), known_.end());
  return error;
}

std::string Watch::while_doing() const {
  const std::lock_guard lock(mutex_);
  return doing_.empty() ? std::string{} : " while " + doing_;
}

// What was found before the work failed is given all the same; the work's memory is free again.
Error Watch::show_after(Error error) const {
  const auto finish = (std::lock_guard(mutex_), writer_ == Writer::nobody ? finish_ : nullptr);
  if (!finish) return with_what_is_known(std::move(error));
  try {
    if (auto done = finish(error.message); !done) return std::move(done).error();
  } catch (const std::bad_alloc&) {
    return with_what_is_known(std::move(error));
  }
  error.notes.emplace_back("the best so far is shown");
  return error;
}

Status Watch::guarded(const std::function<Status()>& work) const {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    const auto needed = at_least_needed(memory_taken() + refused_memory(), refused_memory());
    return show_after({ErrorCode::unsupported, fmt::format("the system gave no more memory{}{} than were taken", while_doing(), needed)});
  } catch (const std::length_error&) {
    return with_what_is_known({ErrorCode::unsupported, "more memory is needed than there can be" + while_doing()});
  } catch (const std::system_error& fault) {
    Error error{ErrorCode::io, fault.what() + while_doing()};
    if (fault.code() == std::errc::resource_unavailable_try_again)
      error.notes.emplace_back("a limit on threads or processes may be too low (ulimit -u, a container's limit of pids)");
    return error;
  } catch (const std::exception& fault) {
    return Error{ErrorCode::unsupported, fmt::format("a fault of p2plab{}: {}", while_doing(), fault.what()), std::nullopt, {"please report it"}};
  }
}

// Ends the program beside work that goes on; so nothing that it uses is destroyed.
void Watch::cut(Cut why) {
  cutter_ = std::this_thread::get_id();
  auto writer = Writer::nobody;
  const bool writing = !writer_.compare_exchange_strong(writer, Writer::cut);
  std::function<Status(const std::string&)> finish;
  {
    const std::lock_guard lock(mutex_);
    if (!writing) finish = finish_;
  }
  why.error.message += while_doing() + (why.needed ? at_least_needed(*why.needed, *why.needed - Bytes{memory_limit_}) : std::string{});
  if (isatty(STDERR_FILENO) != 0) std::cerr << "\r\x1b[K";
  int code = exit_code_of(why.error);
  if (!finish) {
    if (why.by_time) why.error.notes.emplace_back("nothing that could be shown was found by then; a larger --time-limit may find something");
    std::cerr << describe(with_what_is_known(why.error));
  } else if (const auto done = finish(why.error.message); !done) {
    code = exit_code_of(done.error());
    std::cerr << describe(done.error());
  } else if (why.by_time) {  // as was asked
    code = 0;
    std::cerr << fmt::format("note: {}: the best so far is shown\n", why.error.message);
  } else {
    why.error.notes.emplace_back("the best so far is shown");
    std::cerr << describe(why.error);
  }
  std::cerr << std::flush;
  std::_Exit(code);
}

std::optional<Watch::Cut> Watch::limit_passed(int statm) const {
  if (const auto used = memory_in_use(statm); used.count() > memory_limit_) {
    auto text = fmt::format("the memory limit of {} is reached", about_memory(Bytes{memory_limit_}));
    return Cut{.error = {ErrorCode::unsupported, std::move(text), std::nullopt, {more_memory}}, .needed = std::max(used, memory_allocated())};
  }
  if (writer_ != Writer::nobody || time_limit_ < 0) return std::nullopt;
  if (seconds() <= time_limit_ + part_until_cut * std::max(share_over * time_limit_, seconds_over)) return std::nullopt;
  return Cut{.error = {ErrorCode::unsupported, fmt::format("the time limit of {:g} s passed", time_limit_.load())}, .by_time = true};
}

// Until the work is done.
void Watch::look(const Signals& signals, int done) {
  const FileDescriptor statm{open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
  auto moved = Clock::now();  // when writing went on last
  std::int64_t pieces = 0;
  while (true) {
    std::array<pollfd, 2> waiting{pollfd{done, POLLIN, 0}, pollfd{signals.descriptor(), POLLIN, 0}};
    poll(waiting.data(), waiting.size(), look_every);
    show(waiting[0].revents != 0);
    if (waiting[0].revents != 0) return;
    if (auto why = limit_passed(statm.get())) cut(*why);
    const auto came = signals.next();
    if (came != 0) {
      const bool again = signal_.exchange(came) != 0;
      if (again || !(writer_ != Writer::nobody || stops_)) cut({.error = {ErrorCode::interrupted, "interrupted"}});
    }
    if (came != 0 || writer_ == Writer::nobody || std::exchange(pieces, pieces_.load()) != pieces_) moved = Clock::now();
    if (signal_ != 0 && Clock::now() - moved > grace_to_write) cut({.error = {ErrorCode::interrupted, "interrupted before all was written"}});
  }
}

Status Watch::run(const std::function<Status()>& work) {
  std::optional<Signals> signals(std::in_place);
  const FileDescriptor done{eventfd(0, EFD_CLOEXEC)};
  Status outcome;
  std::thread worker;
  try {
    worker = std::thread([&] {
      outcome = guarded(work);
      eventfd_write(done.get(), 1);
    });
  } catch (const std::system_error&) {
    signals.reset();
    std::cerr << "warning: the system gives no thread to watch the work: limits of time and memory are not kept\n";
    return guarded(work);
  }
  look(*signals, done.get());
  worker.join();
  // One that came too late to stop anything still is what the caller hears of.
  if (signal_ == 0) signal_ = signals->next();
  if (signal_ != 0 && outcome) return Error{ErrorCode::interrupted, "interrupted when all was done"};
  return outcome;
}

}  // namespace p2plab::cli
