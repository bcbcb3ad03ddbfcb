// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/progress.h"

#include <chrono>

#include <fmt/format.h>

#include "report/duration_words.h"

namespace p2plab {

namespace {

class PlainProgress final : public Progress {
 public:
  explicit PlainProgress(std::ostream& out) : out_(out) {}
  void stage(std::string_view name, std::int64_t total) override { out_ << fmt::format("{} ({})\n", name, total); }
  void advance(std::string_view) override {}
  void note(std::string_view text) override { out_ << text << '\n'; }

 private:
  std::ostream& out_;
};

class TerminalProgress final : public Progress {
 public:
  explicit TerminalProgress(std::ostream& out) : out_(out) {}
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  TerminalProgress(TerminalProgress&&) = delete;
  TerminalProgress& operator=(TerminalProgress&&) = delete;
  ~TerminalProgress() override { erase(); }

  void stage(std::string_view name, std::int64_t total) override {
    name_ = name;
    total_ = total;
    done_ = 0;
    begun_ = std::chrono::steady_clock::now();
    draw("");
  }
  void advance(std::string_view what) override {
    ++done_;
    const auto now = std::chrono::steady_clock::now();
    if (done_ >= total_) return erase();  // what is printed next finds an empty line
    if (now - drawn_ < least_gap) return;
    drawn_ = now;
    draw(what);
  }
  void note(std::string_view text) override {
    erase();
    out_ << text << '\n';
  }

 private:
  static constexpr std::chrono::milliseconds least_gap{50};  // faster than the eye follows is wasted output
  static constexpr std::chrono::seconds telling{2};          // before, nobody asks how long it will take
  void draw(std::string_view what) { out_ << fmt::format("\r\x1b[K{} {}/{}{} {}", name_, done_, total_, time_left(), what) << std::flush; }
  // As if what is left took as long as what is done.
  std::string time_left() const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun_;
    if (took < telling || done_ == 0) return {};
    return fmt::format(", about {} left,", duration_words(took.count() / static_cast<double>(done_) * static_cast<double>(total_ - done_)));
  }
  void erase() { out_ << "\r\x1b[K" << std::flush; }

  std::ostream& out_;
  std::string name_;
  std::int64_t total_ = 0;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace

std::unique_ptr<Progress> terminal_progress(std::ostream& out) { return std::make_unique<TerminalProgress>(out); }
std::unique_ptr<Progress> plain_progress(std::ostream& out) { return std::make_unique<PlainProgress>(out); }

}  // namespace p2plab
