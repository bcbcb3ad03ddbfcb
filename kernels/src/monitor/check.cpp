// SPDX-License-Identifier: Apache-2.0
// Measures recording as programs do it: the cost of a call, and whether readers get what was written while many write.
#include <unistd.h>

#include <ctime>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "monitor/layout.h"
#include "monitor/recorder.h"
#include "p2plab/run/monitor.h"

namespace p2plab {

namespace {

using namespace monitor;

constexpr std::uint64_t factor = 3;

class Folder {
 public:
  Folder() : path_(base() / fmt::format("p2plab-validate-{}", getpid())) { std::filesystem::create_directories(path_, code_); }
  ~Folder() { std::filesystem::remove_all(path_, code_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  Folder(Folder&&) = delete;
  Folder& operator=(Folder&&) = delete;
  std::string path() const { return path_.string(); }

 private:
  // Where records usually lie: a disk's files cost writers more.
  static std::filesystem::path base() {
    return access("/dev/shm", W_OK | X_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
  }
  std::filesystem::path path_;
  std::error_code code_;
};

std::unique_ptr<Recorder> recorder_in(const Folder& folder, const char* source) {
  return Recorder::open({.source = source, .level = Level::steps, .folder = folder.path().c_str()});
}

CallInfo info_of(std::uint64_t count) {
  return {.count = count,
          .bytes = 4,
          .kind = all_reduce,
          .type = 7,
          .op = 0,
          .backend = monitor::Backend::p2p,
          .stream = static_cast<std::uint32_t>(count)};
}

// What this thread alone takes: others may be given its core.
std::uint64_t own_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// Nanoseconds of its own time that `body` takes once, the median of seven rounds.
template <class Body>
double cost_of(std::uint64_t times, Body&& body) {
  std::array<double, 7> rounds{};
  for (auto& round : rounds) {
    const auto begun = own_time();
    for (std::uint64_t i = 0; i < times; ++i) body(i);
    round = static_cast<double>(own_time() - begun) / static_cast<double>(times);
  }
  std::ranges::sort(rounds);
  return rounds[rounds.size() / 2];
}

void measure_cost(Recorder& recorder, RecordingCheck& check, std::uint64_t calls) {
  const int side = recorder.add_side({.communicator = 1});
  check.call_ns = cost_of(calls, [&](std::uint64_t i) {
    const auto number = recorder.begin(side, info_of(i));
    recorder.served(number, info_of(i));
    recorder.end(number, Progress::queued);
  });
  check.steps_ns = cost_of(calls, [&](std::uint64_t i) { recorder.step({.call = 1, .begun = i, .ended = i}); });
}

Status read_on(const std::string& path, RecordingCheck& check, std::uint64_t& from) {
  const auto process = read_records(path, {.from = from});
  if (!process) return process.error();
  for (const auto& call : process->calls) {
    const bool whole = call.count == call.sequence * factor && call.stream == static_cast<std::uint32_t>(call.count);
    check.wrong += whole ? 0 : 1;
  }
  check.read += process->calls.size();
  check.overwritten += process->overwritten;
  check.missed += process->missed;
  from = process->next;
  return {};
}

Status measure_many(Recorder& recorder, RecordingCheck& check, const RecordingCheckOptions& options) {
  std::atomic<int> writing{options.threads};
  const auto begun = now();
  std::vector<std::jthread> threads;
  for (int t = 0; t < options.threads; ++t) {
    const int side = recorder.add_side({.communicator = static_cast<std::uint64_t>(t) + 1, .rank = t, .ranks = options.threads});
    threads.emplace_back([&recorder, &writing, side, calls = options.calls] {
      for (std::uint64_t i = 0; i < calls; ++i) recorder.end(recorder.begin(side, info_of(i * factor)), Progress::done);
      --writing;
    });
  }
  std::uint64_t from = 0;
  while (writing > 0) {
    if (auto good = read_on(recorder.path(), check, from); !good) return good;
  }
  threads.clear();
  const auto seconds = static_cast<double>(now() - begun) * 1e-9;
  if (auto good = read_on(recorder.path(), check, from); !good) return good;
  check.written = static_cast<std::uint64_t>(options.threads) * options.calls;
  check.written_per_second = static_cast<double>(check.written) / seconds;
  return {};
}

Status follow(Recorder& recorder, const std::atomic<int>& writing, RecordingCheck& seen) {
  std::uint64_t from = 0;
  while (writing > 0) {
    if (auto good = read_on(recorder.path(), seen, from); !good) return good;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return read_on(recorder.path(), seen, from);
}

// Each thread is a communicator of its own, and begins a call when it is due.
Status measure_paced(Recorder& recorder, RecordingCheck& check, const RecordingCheckOptions& options) {
  std::atomic<int> writing{options.threads};
  const auto between = static_cast<std::uint64_t>(1e9 * options.threads / static_cast<double>(options.pace));
  const auto each = static_cast<std::uint64_t>(options.paced.count() * 1e9) / between;
  const auto begun = now();
  std::vector<RecordingCheck> seen(static_cast<std::size_t>(options.readers));
  std::vector<Status> ends(seen.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t r = 0; r < seen.size(); ++r) threads.emplace_back([&, r] { ends[r] = follow(recorder, writing, seen[r]); });
    for (int t = 0; t < options.threads; ++t) {
      const int side = recorder.add_side({.communicator = static_cast<std::uint64_t>(t) + 1, .rank = t, .ranks = options.threads});
      threads.emplace_back([&recorder, &writing, side, each, between, begun] {
        for (std::uint64_t i = 0; i < each; ++i) {
          const auto due = begun + i * between;
          if (const auto early = due - std::min(due, now()); early > 0) std::this_thread::sleep_for(std::chrono::nanoseconds{early});
          recorder.end(recorder.begin(side, info_of(i * factor)), Progress::done);
        }
        --writing;
      });
    }
  }
  check.paced.written = static_cast<std::uint64_t>(options.threads) * each;
  check.paced.per_second = static_cast<double>(check.paced.written) / (static_cast<double>(now() - begun) * 1e-9);
  for (std::size_t r = 0; r < seen.size(); ++r) {
    if (!ends[r]) return ends[r];
    check.paced.wrong += seen[r].wrong;
    check.paced.unread = std::max(check.paced.unread, check.paced.written - std::min(check.paced.written, seen[r].read));
  }
  return {};
}

std::int64_t memory_of_process() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// The counters of a record as so many more calls leave them.
bool pass_over(const Recorder& recorder, int side, std::uint64_t calls) {
  std::fstream file(recorder.path(), std::ios::binary | std::ios::in | std::ios::out);
  for (const auto at : {offsetof(Header, next_call), sides_at + static_cast<std::size_t>(side) * sizeof(Side) + offsetof(Side, begun)}) {
    std::uint64_t value = 0;
    file.seekg(static_cast<std::streamoff>(at));
    file.read(reinterpret_cast<char*>(&value), sizeof value);
    value += calls;
    file.seekp(static_cast<std::streamoff>(at));
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return file.good();
}

Status simulate_day(Recorder& recorder, RecordingCheck& check, const RecordingCheckOptions& options) {
  constexpr std::uint64_t hours = 24;
  const auto ring = std::uint64_t{RecorderOptions{}.calls};
  const auto an_hour = std::max(options.pace * 3600, 2 * ring);
  const int side = recorder.add_side({.communicator = 1});
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(recorder.path()));
  std::uint64_t from = 0;
  for (std::uint64_t hour = 0; hour < hours; ++hour) {
    if (!pass_over(recorder, side, an_hour - 2 * ring)) return Error{ErrorCode::io, fmt::format("cannot write to {}", recorder.path())};
    const auto first = (hour + 1) * an_hour - 2 * ring;
    const auto memory = memory_of_process();
    for (std::uint64_t i = first; i < first + 2 * ring; ++i) recorder.end(recorder.begin(side, info_of(i * factor)), Progress::done);
    check.day.memory_grew += memory_of_process() - memory;
    RecordingCheck seen;
    const auto asked = from;
    if (auto good = read_on(recorder.path(), seen, from); !good) return good;
    check.day.wrong += seen.wrong + (ring - std::min(ring, seen.read));
    check.day.unsaid += (from - asked) - std::min(from - asked, seen.read + seen.overwritten + seen.missed);
  }
  check.day.calls = hours * an_hour;
  check.day.file_grew = static_cast<std::int64_t>(std::filesystem::file_size(recorder.path())) - size;
  return {};
}

Status measure_times(Recorder& recorder, RecordingCheck& check) {
  const int side = recorder.add_side({.communicator = 1});
  std::vector<std::uint64_t> true_times;
  for (int i = 0; i < 20; ++i) {
    const auto number = recorder.begin(side, info_of(0));
    const auto begun = now();
    while (now() - begun < 100'000) {
    }
    true_times.push_back(now() - begun);
    recorder.end(number, Progress::done);
  }
  const auto process = read_records(recorder.path());
  if (!process) return process.error();
  std::vector<double> errors;
  for (std::size_t i = 0; i < std::min(true_times.size(), process->calls.size()); ++i)
    errors.push_back(std::abs(process->calls[i].time().count() * 1e9 / static_cast<double>(true_times[i]) - 1));
  std::ranges::sort(errors);
  check.time_error = errors.empty() ? 1 : errors[errors.size() / 2];
  return {};
}

}  // namespace

Result<RecordingCheck> check_recording(const RecordingCheckOptions& options) {
  const Folder folder;
  RecordingCheck check;
  const auto one = recorder_in(folder, "one");
  const auto many = recorder_in(folder, "many");
  const auto timed = recorder_in(folder, "timed");
  const auto paced = recorder_in(folder, "paced");
  const auto day = recorder_in(folder, "day");
  if (!one || !many || !timed || !paced || !day) return Error{ErrorCode::io, fmt::format("cannot make records in {}", folder.path())};
  measure_cost(*one, check, options.calls);
  if (auto good = measure_many(*many, check, options); !good) return std::move(good).error();
  if (auto good = measure_times(*timed, check); !good) return std::move(good).error();
  if (auto good = measure_paced(*paced, check, options); !good) return std::move(good).error();
  if (auto good = simulate_day(*day, check, options); !good) return std::move(good).error();
  check.call_bytes = sizeof(CallSlot);
  check.file_bytes = std::filesystem::file_size(one->path());
  check.ring = RecorderOptions{}.calls;
  return check;
}

}  // namespace p2plab
