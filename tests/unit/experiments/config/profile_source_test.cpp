// SPDX-License-Identifier: Apache-2.0
// One reader of the key `profile`, whatever kind a config is of.
#include "config/profile_source.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "p2plab/experiment/process_groups.h"
#include "p2plab/machine/presets.h"
#include "support/scratch.h"

namespace p2plab::profile_source_test {
namespace {

namespace fs = std::filesystem;

// What stands under the key in a config of this folder.
std::optional<Profile> profile_in(const fs::path& folder, const std::string& key, const std::optional<Machine>& machine, bool good = true) {
  const auto file = *ConfigFile::parse("name: x\n" + key, (folder / "config.yaml").string());
  auto profile = read_profile(file.root()["profile"], folder, machine);
  EXPECT_EQ(static_cast<bool>(file.status()), good);
  return profile;
}

TEST(ProfileKey, IsANameOrAPathFromTheConfigsFolder) {
  const auto folder = test::scratch("folder");
  fs::create_directories(folder);
  fs::copy_file(fs::path(P2PLAB_SOURCE_DIR) / "profiles/h100.yaml", folder / "mine.yaml", fs::copy_options::overwrite_existing);
  EXPECT_EQ(profile_in(folder, "profile: mine.yaml", {})->name, load_profile("h100")->name);
  EXPECT_EQ(profile_in(folder, "profile: h200", {})->name, "h200");
  EXPECT_FALSE(profile_in(folder, "profile: ''", {}, false));
  EXPECT_FALSE(profile_in(folder, "profile: theirs.yaml", {}, false));
  const auto groups = read_process_groups(
      "version: 1\nkind: groups\nname: x\nprofile: mine.yaml\ntopology: {preset: hgx-h200}\n"
      "calls: [{ranks: [[0, 1]], collective: all_gather, size: 1 MiB}]\n",
      (folder / "groups.yaml").string());
  ASSERT_TRUE(groups) << groups.error().message;
  EXPECT_EQ(groups->profile.name, load_profile("h100")->name);
}

TEST(ProfileKey, IsThatOfTheMachinesGpusWhereItIsNotSaid) {
  EXPECT_EQ(profile_in(".", "", Machine{*make_preset("hgx-h200", {})})->name, "h200");
  EXPECT_FALSE(profile_in(".", "", Machine{*make_preset("mesh", {})}));
  EXPECT_FALSE(profile_in(".", "", {}));
}

}  // namespace
}  // namespace p2plab::profile_source_test
