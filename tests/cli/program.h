// SPDX-License-Identifier: Apache-2.0
// Runs the program as a user would: its exit code and what it said.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <nlohmann/json.hpp>

#include "support/scratch.h"

namespace p2plab::test {

struct Outcome {
  int exit = -1;
  std::string out;
  std::string err;
};

inline std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// `p2plab ARGUMENTS`, run by a shell in `folder`, with variables such as "A=1 B=2".
inline Outcome p2plab(const std::string& arguments, const std::filesystem::path& folder = P2PLAB_SOURCE_DIR, const std::string& variables = {}) {
  const auto out = scratch("stdout");
  const auto err = scratch("stderr");
  const auto command = "cd '" + folder.string() + "' && " + variables + " '" + P2PLAB_PROGRAM + "' " + arguments + " > '" + out.string() + "' 2> '" +
                       err.string() + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(out), content(err)};
}

/// The JSON that `p2plab ARGUMENTS` prints.
inline nlohmann::json json_of(const std::string& arguments) {
  const auto ran = p2plab(arguments);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  auto json = nlohmann::json::parse(ran.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << ran.out;
  return json;
}

/// The same of a command with `--time-limit 0`, which is cut off after a tenth of a second: on a machine that does other work it may have nothing
/// yet.
inline nlohmann::json json_at_once(const std::string& arguments) {
  constexpr int tries = 50;
  for (int t = 0; t < tries; ++t) {
    if (const auto ran = p2plab(arguments + " --json --time-limit 0"); ran.exit == 0) return nlohmann::json::parse(ran.out, nullptr, false);
  }
  return json_of(arguments + " --json --time-limit 0");
}

/// A config, quoted for the shell: two GPUs and two sizes: what is asked here does not depend on the machine.
inline std::string small_config() {
  const auto file = scratch("small.yaml");
  std::ofstream(file)
      << "version: 1\ntopology: {preset: hgx-h200, gpus: 2}\ncollectives: [all_reduce]\nalgorithms: [ring, auto]\nsizes: [1 KiB, 1 MiB]\n";
  return "'" + file.string() + "'";
}

/// The keys that an object must hold.
inline void expect_keys(const nlohmann::json& json, const std::vector<std::string>& keys) {
  for (const auto& key : keys) EXPECT_TRUE(json.contains(key)) << key;
}

}  // namespace p2plab::test
