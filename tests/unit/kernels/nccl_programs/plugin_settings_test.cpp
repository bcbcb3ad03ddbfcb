// SPDX-License-Identifier: Apache-2.0
// NCCL's plugins beside libp2plab, with a settings file: what it says counts, after the environment; what is wrong with it is said.
#include <dlfcn.h>

#include <array>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "nccl_env/interface.h"
#include "nccl_profiler/interface.h"
#include "p2plab/run/monitor.h"
#include "support/formats/nccl_tuner.h"
#include "support/scratch.h"

namespace p2plab::plugin_settings_test {
namespace {

std::string said_by_plugin;
void plugin_logger(nccl_env::LogLevel, unsigned long, const char*, int, const char* format, ...) {
  std::array<char, 1000> line{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line.data(), line.size(), format, arguments);
  va_end(arguments);
  said_by_plugin += std::string{line.data()} + "\n";
}

// A plugin reads its settings once: each test has a copy of its own, and libp2plab beside it or not.
class PluginSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* variable : {"P2PLAB_ENV_FILE", "P2PLAB_MONITOR", "P2PLAB_MONITOR_DIR", "P2PLAB_TUNER_FILE", "NCCL_TUNER_CONFIG_FILE"})
      unsetenv(variable);
    folder_ = test::scratch("plugins");
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { unsetenv("P2PLAB_SETTINGS"); }
  void settings(const std::string& text) const {
    std::ofstream(folder_ / "settings.yaml") << text;
    setenv("P2PLAB_SETTINGS", (folder_ / "settings.yaml").c_str(), 1);
  }
  // The library remembers its settings file, too.
  void library() const { std::filesystem::copy_file(P2PLAB_NCCL_STAGE "/libp2plab.so.1", folder_ / "libp2plab.so.1"); }
  template <class Interface>
  const Interface* plugin(const char* path, const char* symbol) const {
    std::filesystem::copy_file(path, folder_ / "plugin.so");
    auto* const opened = dlopen((folder_ / "plugin.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(opened, nullptr) << dlerror();
    return opened == nullptr ? nullptr : static_cast<const Interface*>(dlsym(opened, symbol));
  }
  const nccl_env::EnvV2* env() const {
    const auto* const made = plugin<nccl_env::EnvV2>(P2PLAB_NCCL_ENV, "ncclEnvPlugin_v2");
    said_by_plugin.clear();
    if (made != nullptr) made->init(2, 30, 3, "", plugin_logger);
    return made;
  }

  std::filesystem::path folder_;
};

TEST_F(PluginSettings, OfTheFileNameVariablesOfNcclBesideIt) {
  library();
  settings("nccl:\n  env_file: nccl.conf\n");
  std::ofstream(folder_ / "nccl.conf") << "NCCL_P2PLAB_TEST=7\n";
  const auto* const made = env();
  ASSERT_NE(made, nullptr);
  EXPECT_STREQ(made->get("NCCL_P2PLAB_TEST"), "7") << said_by_plugin;
}

TEST_F(PluginSettings, OfAFileWithMistakesAreNoneAndItSaysSo) {
  library();
  settings("nccl:\n  env_fil: nccl.conf\n");
  ASSERT_NE(env(), nullptr);
  EXPECT_NE(said_by_plugin.find("unknown key 'env_fil'"), std::string::npos) << said_by_plugin;
  EXPECT_NE(said_by_plugin.find("P2PLAB_ENV_FILE is not set"), std::string::npos) << said_by_plugin;
}

TEST_F(PluginSettings, NeedLibp2plabWhereThereIsAFileAndElseNothing) {
  settings("nccl:\n  env_file: nccl.conf\n");
  ASSERT_NE(env(), nullptr);
  EXPECT_NE(said_by_plugin.find("is not read, for libp2plab.so.1 is not beside the plugin"), std::string::npos) << said_by_plugin;
}

TEST_F(PluginSettings, NameRulesForNcclWhereNoVariableDoes) {
  library();
  std::filesystem::copy_file(P2PLAB_NCCL_TUNER, folder_ / "plugin.so");
  const auto rules = [&](const char* name, const char* algorithm) {
    std::ofstream(folder_ / name) << fmt::format("allreduce,0,65536,{},ll128,2,1,8\n", algorithm);
    return (folder_ / name).string();
  };
  rules("ours.csv", "tree");
  settings("nccl:\n  tuner_file: ours.csv\n");
  constexpr int ll128 = 1;
  EXPECT_EQ(test::LoadedTuner(folder_ / "plugin.so", 5, 8, 1).ask({.bytes = 100}), (test::TunerChoice{0, ll128, 2}));
  setenv("NCCL_TUNER_CONFIG_FILE", rules("others.csv", "ring").c_str(), 1);
  EXPECT_EQ(test::LoadedTuner(folder_ / "plugin.so", 5, 8, 1).ask({.bytes = 100}), (test::TunerChoice{1, ll128, 2}));
}

TEST_F(PluginSettings, SayAtWhichLevelNcclIsRecordedAndWhere) {
  library();
  settings("monitor:\n  level: detailed\n  folder: records\n");
  std::filesystem::create_directories(folder_ / "records");
  const auto* const made = plugin<nccl_profiler::ProfilerV5>(P2PLAB_NCCL_PROFILER, "ncclProfiler_v5");
  ASSERT_NE(made, nullptr);
  void* context = nullptr;
  int mask = 0;
  ASSERT_EQ(made->init(&context, 7, &mask, "all", 1, 2, 0, nullptr), 0);
  EXPECT_NE(mask & static_cast<int>(nccl_profiler::kernel_channel), 0) << "level detailed";
  const auto files = record_files((folder_ / "records").string());
  ASSERT_TRUE(files);
  EXPECT_EQ(files->size(), 1U);
  made->finalize(context);
}

}  // namespace
}  // namespace p2plab::plugin_settings_test
