// SPDX-License-Identifier: Apache-2.0
// Files of one test: no other test, process or run shares them.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace p2plab::test {

/// A folder that lives as long as the process.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)), owner_(getpid()) { std::filesystem::create_directories(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ScratchFolder(ScratchFolder&&) = delete;
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    // A forked child that ends by exit() must not take the folder along.
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  pid_t owner_;
};

/// `name` in a folder of this test and this process alone.
inline std::filesystem::path scratch(const std::string& name) {
  static const ScratchFolder all(std::filesystem::path(::testing::TempDir()) / ("p2plab_test_" + std::to_string(getpid())));
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string folder = test ? std::string(test->test_suite_name()) + "_" + test->name() : "suite";
  for (auto& c : folder) c = c == '/' ? '_' : c;
  std::filesystem::create_directories(all.path() / folder);
  return all.path() / folder / name;
}

}  // namespace p2plab::test
