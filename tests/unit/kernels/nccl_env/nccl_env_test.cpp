// SPDX-License-Identifier: Apache-2.0
// The plugin by which NCCL takes its variables from an exported file: both versions, bad files, and NCCL itself, which needs no GPU for that.
#include <dlfcn.h>

#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "nccl_env/interface.h"
#include "support/exported.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::nccl_env_test {
namespace {

using nccl_env::EnvV1;
using nccl_env::EnvV2;

std::string written(const std::string& text) {
  const auto path = test::scratch("nccl.conf").string();
  std::ofstream(path) << text;
  return path;
}

// The plugin reads its file once: each test has a copy of its own.
template <class Interface>
const Interface* plugin(const std::string& file, const char* symbol) {
  setenv("P2PLAB_ENV_FILE", file.c_str(), 1);
  const auto copy = test::scratch("libnccl-env-p2plab.so");
  std::filesystem::copy_file(P2PLAB_NCCL_ENV, copy);
  auto* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? nullptr : static_cast<const Interface*>(dlsym(library, symbol));
}

std::string told;
void logger(nccl_env::LogLevel level, unsigned long, const char*, int, const char* format, ...) {
  std::array<char, 1000> line{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line.data(), line.size(), format, arguments);
  va_end(arguments);
  told += fmt::format("{} {}\n", static_cast<int>(level), line.data());
}

TEST(NcclEnvPlugin, GivesWhatTheExportedFileSaysAndTheEnvironmentFirst) {
  auto ring = test::exportable(test::one_switch(4), "ring", CollectiveKind::all_reduce, 64_KiB);
  const auto files = test::try_export(ring, "nccl-env");
  ASSERT_TRUE(files);
  const auto& text = files->front().content;
  const auto* env = plugin<EnvV1>(written(text), "ncclEnvPlugin_v1");
  ASSERT_NE(env, nullptr) << dlerror();
  EXPECT_STREQ(env->name, "p2plab");
  EXPECT_EQ(env->init(2, 28, 9, ""), 0);
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto equals = line.find('=');
    const auto name = line.substr(0, equals);
    EXPECT_STREQ(env->get(name.c_str()), line.substr(equals + 1).c_str());
    EXPECT_EQ(env->get(name.c_str()), env->get(name.c_str())) << "NCCL keeps the address";
    ++count;
  }
  EXPECT_GT(count, 3);
  EXPECT_EQ(env->get("NCCL_NO_SUCH"), nullptr);
  setenv("NCCL_ALGO", "Tree", 1);
  EXPECT_STREQ(env->get("NCCL_ALGO"), "Tree");
  unsetenv("NCCL_ALGO");
  EXPECT_STREQ(env->get("NCCL_ALGO"), "Ring");
  EXPECT_EQ(env->finalize(), 0);
}

TEST(NcclEnvPlugin, SaysEachWrongLineAndTakesTheOthers) {
  const auto* env =
      plugin<EnvV2>(written("# a comment\nNCCL_A=1\nnccl_b=2\n\nNCCL_A=3\n=4\n  \nNCCL_C=x = y\r\nNCCL_D\n9D=1\nNCCL_E="), "ncclEnvPlugin_v2");
  ASSERT_NE(env, nullptr);
  told.clear();
  EXPECT_EQ(env->init(2, 30, 3, "", logger), 0);
  const auto path = std::string{std::getenv("P2PLAB_ENV_FILE")};
  std::string wanted;
  for (const int line : {3, 5, 6, 9, 10})
    wanted += fmt::format("2 ENV/p2plab: {}:{}: neither NAME=value with a new name nor a comment\n", path, line);
  EXPECT_EQ(told, wanted + "3 ENV/p2plab: 3 variables from " + path + "\n");
  EXPECT_STREQ(env->get("NCCL_A"), "1");
  EXPECT_STREQ(env->get("NCCL_C"), "x = y");
  EXPECT_STREQ(env->get("NCCL_E"), "");
}

TEST(NcclEnvPlugin, WithoutAFileOnlyTheEnvironmentCounts) {
  const auto* env = plugin<EnvV2>("/no/such/file", "ncclEnvPlugin_v2");
  ASSERT_NE(env, nullptr);
  told.clear();
  EXPECT_EQ(env->init(2, 30, 3, "", logger), 0);
  EXPECT_EQ(told, "2 ENV/p2plab: /no/such/file cannot be read or is longer than 1 MiB: only the environment counts\n");
  EXPECT_EQ(env->get("NCCL_ALGO"), nullptr);
}

// NCCL's own log of what it was set to, and by what. NCCL_DEBUG itself is read before the plugin is there (2.28.9).
TEST(NcclEnvPlugin, IsWhatNcclItselfFollows) {
  const std::string nccl = "/usr/local/cuda/lib64/libnccl.so.2";
  if (!std::filesystem::exists(nccl)) GTEST_SKIP() << "no NCCL in the CUDA toolkit: it is not asked";
  const auto file = written("NCCL_SOCKET_IFNAME=lo\n");
  const auto run = test::ran(fmt::format(
      "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=ENV,INIT P2PLAB_TEST_CHILD={} P2PLAB_ENV_FILE={} NCCL_ENV_PLUGIN={} {} --gtest_filter=NcclEnvPlugin.Child",
      nccl, file, P2PLAB_NCCL_ENV, std::filesystem::read_symlink("/proc/self/exe").string()));
  EXPECT_EQ(run.code, 0) << run.text;
  EXPECT_NE(run.text.find("ENV/Plugin: Using p2plab (v"), std::string::npos) << run.text;
  EXPECT_NE(run.text.find("NCCL_SOCKET_IFNAME set by environment to lo"), std::string::npos) << run.text;
}

// What the test above runs in a process of its own.
TEST(NcclEnvPlugin, Child) {
  const char* path = std::getenv("P2PLAB_TEST_CHILD");
  if (path == nullptr) return;
  auto* const nccl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(nccl, nullptr) << dlerror();
  std::array<char, 128> id{};
  EXPECT_EQ(reinterpret_cast<int (*)(void*)>(dlsym(nccl, "ncclGetUniqueId"))(id.data()), 0);
}

}  // namespace
}  // namespace p2plab::nccl_env_test
