// SPDX-License-Identifier: Apache-2.0
#include "doctor/probes/matrix.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <sstream>

#include <fmt/format.h>

namespace p2plab::doctor {

namespace {

using Clock = std::chrono::steady_clock;

// A child and what it said; ended with its owner.
class Running {
 public:
  explicit Running(ProbeChild child) : child_(child) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Running(Running&&) = delete;
  Running& operator=(Running&&) = delete;
  ~Running() {
    end();
    if (child_.output >= 0) close(child_.output);
  }

  enum class Heard { line, nothing, closed };
  // The next line, if it comes before `until`.
  Heard next(std::string& line, Clock::time_point until) {
    while (true) {
      if (const auto at = buffer_.find('\n'); at != std::string::npos) {
        line = buffer_.substr(0, at);
        buffer_.erase(0, at + 1);
        return Heard::line;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return Heard::nothing;
      pollfd ready{child_.output, POLLIN, 0};
      const int found = poll(&ready, 1, static_cast<int>(left) + 1);
      if (found < 0 && errno == EINTR) continue;
      if (found <= 0) return Heard::nothing;
      std::array<char, 4096> text{};
      const auto count = read(child_.output, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return Heard::closed;
      buffer_.append(text.data(), static_cast<std::size_t>(count));
    }
  }

  // A process that stands in the driver cannot be ended; it is left behind after two seconds.
  void end() {
    if (child_.process <= 0) return;
    kill(child_.process, SIGKILL);
    for (int tries = 0; tries < 200 && waitpid(child_.process, nullptr, WNOHANG) == 0; ++tries) usleep(10'000);
    child_.process = -1;
  }

  // How it ended without help, a signal or its exit code: what closed its pipe ends at once.
  std::string own_end() {
    int status = 0;
    for (int tries = 0; tries < 100 && child_.process > 0; ++tries) {
      if (waitpid(child_.process, &status, WNOHANG) == child_.process) {
        child_.process = -1;
        return WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : fmt::format("exit code {}", WEXITSTATUS(status));
      }
      usleep(10'000);
    }
    end();
    return "it closed its pipe and went on";
  }

 private:
  ProbeChild child_;
  std::string buffer_;
};

Clock::time_point after(Seconds time) { return Clock::now() + std::chrono::duration_cast<Clock::duration>(time); }

class Matrix {
 public:
  Matrix(const std::vector<PairProbe>& probes, const ProbeLimits& limits) : probes_(probes), limits_(limits) {}

  Result<std::vector<ProbeRecord>> run(const StartProbes& start) {
    int idle = 0;
    while (records_.size() < probes_.size()) {
      const auto before = records_.size();
      auto child = start(before);
      if (!child) return std::move(child).error();
      Running running(*child);
      if (auto listened = listen(running); !listened) return std::move(listened).error();
      idle = records_.size() == before ? idle + 1 : 0;
      if (idle == 3)
        return Error{ErrorCode::device_failure,
                     fmt::format("the process that probes ends before it begins: {}", said_.empty() ? "it says nothing" : said_)};
    }
    return std::move(records_);
  }

 private:
  // Until the child ends, hangs or has done all.
  Status listen(Running& child) {
    bool begun = false;
    while (records_.size() < probes_.size()) {
      std::string line;
      const auto heard = child.next(line, after(begun ? limits_.probe : limits_.start));
      if (heard == Running::Heard::line) {
        if (auto understood = take(line, begun); !understood) return understood;
        continue;
      }
      const bool hung = heard == Running::Heard::nothing;
      const auto limit = begun ? limits_.probe : limits_.start;
      const auto ended = hung ? fmt::format("nothing for {:g} s", limit.count()) : child.own_end();
      if (hung) child.end();
      if (begun)
        records_.push_back({.probe = probes_[records_.size()], .end = hung ? ProbeEnd::hung : ProbeEnd::crashed, .message = ended});
      else if (said_.empty())
        said_ = ended;
      return {};
    }
    return {};
  }

  Status take(const std::string& line, bool& begun) {
    std::istringstream words(line);
    std::string word;
    std::size_t number = 0;
    words >> word >> number;
    if (word == "no") {
      said_ = line.substr(std::min<std::size_t>(line.size(), 3));
      return {};
    }
    if (!words || number != records_.size()) return odd(line);
    if (word == "begin") {
      begun = true;
      return {};
    }
    ProbeRecord record{.probe = probes_[number]};
    if (word == "failed") {
      record.end = ProbeEnd::failed;
      std::getline(words >> std::ws, record.message);
    } else if (word == "done") {
      auto& o = record.outcome;
      std::int64_t rate = 0;
      if (!(words >> o.compared >> o.unwritten >> o.zeros >> o.wrong >> o.late >> rate)) return odd(line);
      o.rate = Bandwidth::bytes_per_second(rate);
    } else {
      return odd(line);
    }
    records_.push_back(std::move(record));
    return {};
  }

  static Status odd(const std::string& line) { return Error{ErrorCode::device_failure, fmt::format("the process that probes says '{}'", line)}; }

  const std::vector<PairProbe>& probes_;
  const ProbeLimits& limits_;
  std::vector<ProbeRecord> records_;
  std::string said_;
};

}  // namespace

std::vector<PairProbe> matrix_of(int devices) {
  std::vector<PairProbe> all;
  for (const auto access : pair_accesses()) {
    if (access == PairAccess::all_at_once) {
      for (int distance = 1; distance < devices && devices > 2; ++distance) all.push_back({access, 0, distance});
      continue;
    }
    for (int from = 0; from < devices; ++from) {
      for (int to = 0; to < devices; ++to) {
        if (from != to && (access != PairAccess::both_ways || from < to)) all.push_back({access, from, to});
      }
    }
  }
  return all;
}

Result<std::string> all_said(const StartProbes& start, Seconds limit) {
  const auto until = after(limit);
  auto child = start(0);
  if (!child) return std::move(child).error();
  Running running(*child);
  std::string text;
  for (std::string line;;) {
    const auto heard = running.next(line, until);
    if (heard == Running::Heard::line) {
      text += line + "\n";
      continue;
    }
    if (heard == Running::Heard::nothing) return Error{ErrorCode::device_failure, fmt::format("no answer within {:.0f} s", limit.count())};
    const auto end = running.own_end();
    if (end == "exit code 0") return text;
    return Error{ErrorCode::device_failure, "the process that asks ends with " + end};
  }
}

Result<std::vector<ProbeRecord>> run_matrix(const std::vector<PairProbe>& probes, const StartProbes& start, const ProbeLimits& limits) {
  return Matrix(probes, limits).run(start);
}

}  // namespace p2plab::doctor
