#include "p2plab/profile.h"

#include <array>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "p2plab/config_value.h"

namespace p2plab {

namespace {

struct TimeField {
  std::string_view name;
  Seconds Profile::*field;
};
struct RateField {
  std::string_view name;
  std::optional<Bandwidth> Profile::*field;
};

constexpr std::array time_fields{TimeField{"launch", &Profile::launch},
                                 TimeField{"start_skew", &Profile::start_skew},
                                 TimeField{"signal_peer", &Profile::signal_peer},
                                 TimeField{"signal_local", &Profile::signal_local},
                                 TimeField{"poll", &Profile::poll},
                                 TimeField{"fence", &Profile::fence},
                                 TimeField{"slice_cost", &Profile::slice_cost}};
constexpr std::array rate_fields{RateField{"store_rate", &Profile::store_rate}, RateField{"load_rate", &Profile::load_rate},
                                 RateField{"reduce_rate", &Profile::reduce_rate}, RateField{"memory_rate", &Profile::memory_rate}};

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

Result<Profile> read(const ConfigFile& file) {
  const auto root = file.root();
  ConfigKeys keys{.required = {"version", "name"}, .optional = {"outstanding", "read_request", "link_efficiency"}};
  for (const auto& row : time_fields) keys.optional.emplace_back(row.name);
  for (const auto& row : rate_fields) keys.optional.emplace_back(row.name);
  root.expect_keys(keys);
  Profile profile;
  if (root["version"].integer({}, 1) != 1) root["version"].add_error("this reader knows version 1 of profiles only");
  profile.name = root["name"].string();
  for (const auto& row : time_fields) profile.*row.field = root[row.name].time();
  for (const auto& row : rate_fields) {
    if (root[row.name].present()) profile.*row.field = root[row.name].bandwidth(Bandwidth::bytes_per_second(1));
  }
  profile.outstanding = static_cast<int>(root["outstanding"].integer({.least = 0, .most = 1 << 20}, 0));
  profile.read_request = root["read_request"].number({.least = 0, .most = 100}, 0);
  profile.link_efficiency = root["link_efficiency"].number({.least = 0.01, .most = 1}, 1);
  if (auto ok = file.status(); !ok) return std::move(ok).error();
  if (auto ok = check(profile); !ok) {
    auto error = std::move(ok).error();
    error.where = root.where();
    return error;
  }
  return profile;
}

}  // namespace

Bytes wire_bytes(Protocol protocol, Bytes data) {
  switch (protocol) {
    case Protocol::ll: return 2 * data;
    case Protocol::ll128: return Bytes{(data.count() + 119) / 120 * 128};
    case Protocol::simple:
    case Protocol::flagless: break;
  }
  return data;
}

Status check(const Profile& profile) {
  for (const auto& row : time_fields) {
    const auto value = (profile.*row.field).count();
    if (!(value >= 0 && value <= 1)) return bad(fmt::format("profile '{}': {} must be from 0 to 1 s, found {} s", profile.name, row.name, value));
  }
  for (const auto& row : rate_fields) {
    const auto& rate = profile.*row.field;
    if (rate && rate->bytes_per_second() <= 0) return bad(fmt::format("profile '{}': {} must be above zero", profile.name, row.name));
  }
  if (profile.outstanding < 0) return bad(fmt::format("profile '{}': outstanding must not be negative, found {}", profile.name, profile.outstanding));
  if (!(profile.read_request >= 0 && profile.read_request <= 100)) {
    return bad(fmt::format("profile '{}': read_request must be from 0 to 100, found {}", profile.name, profile.read_request));
  }
  if (!(profile.link_efficiency > 0 && profile.link_efficiency <= 1)) {
    return bad(fmt::format("profile '{}': link_efficiency must be above 0 and at most 1, found {}", profile.name, profile.link_efficiency));
  }
  return {};
}

Result<Profile> load_profile(const std::string& path) {
  auto file = ConfigFile::load(path);
  if (!file) return std::move(file).error();
  return read(*file);
}

Result<Profile> parse_profile(std::string_view text, const std::string& filename) {
  auto file = ConfigFile::parse(text, filename);
  if (!file) return std::move(file).error();
  return read(*file);
}

}  // namespace p2plab
