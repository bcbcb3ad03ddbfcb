// SPDX-License-Identifier: Apache-2.0
// Profile files: each number as it is, or with its interval and source.
#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "p2plab/detail/config_value.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

namespace {

// A profile that leaves one of these out has been forgotten half, not measured; what costs nothing is written down as such.
constexpr std::array required{"launch", "signal_peer", "signal_local", "slice_cost", "store_rate", "load_rate", "reduce_rate", "link_efficiency"};

constexpr const char* former_minimum_transfer = "granule";  // old word

constexpr double longest = 1;  // of a profile's times, in seconds

class ProfileReader {
 public:
  explicit ProfileReader(const ConfigFile& file) : file_(file), root_(file.root()) {}

  Result<Profile> run() {
    ConfigKeys keys{.required = {"version", "name"}, .optional = {"source", "quirks"}};
    for (const auto& number : profile_numbers()) {
      const bool needed = std::ranges::find(required, number.name) != required.end();
      (needed ? keys.required : keys.optional).emplace_back(number.name);
    }
    if (!root_.expect_keys(keys)) return std::move(file_.status()).error();
    if (root_["version"].integer({}, 1) != 1) root_["version"].add_error("this reader knows version 1 of profiles only");
    profile_.name = root_["name"].string();
    if (root_["source"].present()) source_ = root_["source"].string();
    for (const auto& number : profile_numbers()) read(number);
    read_quirks();
    if (auto ok = file_.status(); !ok) return std::move(ok).error();
    if (auto ok = check(profile_); !ok) {
      auto error = std::move(ok).error();
      error.where = root_.where();
      return error;
    }
    return std::move(profile_);
  }

 private:
  // A number with its unit. "ideal" is a time of nothing, or a rate without limit.
  std::optional<double> value_of(const ConfigValue& place, const NumberMeaning& number) const {
    if (place.is_scalar() && place.string() == "ideal") return std::nullopt;
    if (number.unit == "s") {
      const auto time = place.time().count();
      if (!(time <= longest)) place.add_error(fmt::format("a time of a profile is at most {} s, found {} s", longest, time));
      return time;
    }
    if (number.unit == "B/s") {
      const auto rate = place.bandwidth(Bandwidth::bytes_per_second(1)).bytes_per_second();
      if (rate <= 0) place.add_error("a rate of a profile must be above zero", {"write ideal where nothing limits it"});
      return static_cast<double>(rate);
    }
    if (number.name == "outstanding") return static_cast<double>(place.integer({.least = 0, .most = 1 << 20}, 0));
    if (number.name == "read_request") return place.number({.least = 0, .most = 100}, 0);
    return place.number({.least = 0.01, .most = 1}, 1);
  }

  void read(const NumberMeaning& number) {
    const auto place = root_[number.name];
    if (!place.present()) return;
    const auto before = file_.root().mistakes();
    if (!place.is_map()) {
      if (const auto value = value_of(place, number)) profile_ = with_number(std::move(profile_), number.name, *value);
      return;
    }
    if (!place.expect_keys({.required = {"value"}, .optional = {"low", "high", "source"}})) return;
    const auto value = value_of(place["value"], number);
    if (!value) return;
    profile_ = with_number(std::move(profile_), number.name, *value);
    const auto end = [&](const char* key) { return place[key].present() ? value_of(place[key], number).value_or(*value) : *value; };
    NumberInfo info{std::string{number.name}, end("low"), end("high"), place["source"].present() ? place["source"].string() : source_};
    if (file_.root().mistakes() == before && (info.low > *value || info.high < *value)) {
      place.add_error(fmt::format("the interval of {} does not hold its value", number.name), {"write {value: 2 us, low: 1 us, high: 3 us}"});
    }
    profile_.numbers.push_back(std::move(info));
  }

  void read_quirks() {
    const auto quirks = root_["quirks"];
    const ConfigKeys keys{
        .optional = {"pcie_read", "duplex_read", "fan_in", "fan_out", "minimum_transfer", former_minimum_transfer, "posted_writes", "exchange"}};
    if (!quirks.present() || !quirks.expect_keys(keys)) return;
    profile_.quirks.pcie_read = quirks["pcie_read"].number({.least = 0.01, .most = 1}, 1);
    profile_.quirks.duplex_read = quirks["duplex_read"].number({.least = 0.01, .most = 1}, 1);
    profile_.quirks.fan_in = quirks["fan_in"].number({.least = 0.01, .most = 1}, 1);
    profile_.quirks.fan_out = quirks["fan_out"].number({.least = 0.01, .most = 1}, 1);
    const bool is_former = quirks[former_minimum_transfer].present() && !quirks["minimum_transfer"].present();
    if (is_former)
      profile_.warnings.push_back(fmt::format("profile '{}': the quirk '{}' is called 'minimum_transfer' now; version 0.3 will not read the old word",
                                              profile_.name, former_minimum_transfer));
    if (const auto least = quirks[is_former ? former_minimum_transfer : "minimum_transfer"]; least.present()) {
      profile_.quirks.minimum_transfer = least.size();
      if (profile_.quirks.minimum_transfer < Bytes{1} || profile_.quirks.minimum_transfer > Quirks::largest_minimum)
        least.add_error(fmt::format("a minimum transfer has from 1 to {} bytes", Quirks::largest_minimum.count()));
    }
    profile_.quirks.posted_writes = quirks["posted_writes"].number({.least = 0.01, .most = 1}, 1);
    profile_.quirks.exchange = quirks["exchange"].number({.least = 0.01, .most = 1}, 1);
  }

  const ConfigFile& file_;
  ConfigValue root_;
  std::string source_;
  Profile profile_;
};

}  // namespace

Result<Profile> load_profile(const std::string& path) {
  // A word that is no file is the name of a profile that came with the program.
  const std::filesystem::path given(path);
  std::error_code none;
  if (!given.has_extension() && !std::filesystem::exists(given, none)) {
    if (given.filename() == Profile{}.name) return Profile{};
    const auto known = known_profile(given.filename().string());
    if (known) return load_profile(*known);
    auto error = unknown_name("profile", given.filename().string(), known_profiles());
    error.notes.push_back(fmt::format("looked in {} (P2PLAB_PROFILES names another folder)", fmt::join(profile_folders(), ", ")));
    return error;
  }
  auto file = ConfigFile::load(path);
  if (!file) return std::move(file).error();
  return ProfileReader{*file}.run();
}

Result<Profile> parse_profile(std::string_view text, const std::string& filename) {
  auto file = ConfigFile::parse(text, filename);
  if (!file) return std::move(file).error();
  return ProfileReader{*file}.run();
}

}  // namespace p2plab
