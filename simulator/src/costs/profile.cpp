// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/profile.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace p2plab {

namespace {

// One of these three holds the number.
struct Field {
  NumberMeaning meaning;
  Seconds Profile::*time = nullptr;
  std::optional<Bandwidth> Profile::*rate = nullptr;
  double Profile::*plain = nullptr;
};

constexpr std::array fields{
    Field{{"launch", "s", "from the call to the first instruction of every thread block"}, &Profile::launch},
    Field{{"start_skew", "s", "the last rank starts this much after the first"}, &Profile::start_skew},
    Field{{"signal_peer", "s", "data visible until a thread block of another rank goes on"}, &Profile::signal_peer},
    Field{{"signal_local", "s", "data visible until another thread block of the same rank goes on"}, &Profile::signal_local},
    Field{{"poll", "s", "data with its own flag visible until another rank goes on"}, &Profile::poll},
    Field{{"fence", "s", "ordering the data before the flag"}, &Profile::fence},
    Field{{"slice_cost", "s", "a thread block's loop, for each slice"}, &Profile::slice_cost},
    Field{{"packet_start", "s", "by packets: from the call to the first packet in hand, instead of launch"}, &Profile::packet_start},
    Field{{"ll128_start", "s", "by packets: what ll128 takes beside packet_start"}, &Profile::ll128_start},
    Field{{"packet_item", "s", "by packets: a thread's work for each operand that is added or stored; loads that go out together count once"},
          &Profile::packet_item},
    Field{{"packet_tail", "s", "by packets: mean lateness of a warp's packets"}, &Profile::packet_tail},
    Field{{"copy_start", "s", "by copy engines: for each slice, the kernels and the start between waits and data"}, &Profile::copy_start},
    Field{{"copy_rate", "B/s", "by copy engines: all of one GPU together", true}, nullptr, &Profile::copy_rate},
    Field{{"copy_efficiency", "", "by copy engines: payload over raw bandwidth of every link, instead of link_efficiency", true},
          nullptr,
          nullptr,
          &Profile::copy_efficiency},
    Field{{"store_rate", "B/s", "one thread block storing to other ranks", true}, nullptr, &Profile::store_rate},
    Field{{"load_rate", "B/s", "one thread block loading from other ranks", true}, nullptr, &Profile::load_rate},
    Field{{"reduce_rate", "B/s", "one thread block over its local operands", true}, nullptr, &Profile::reduce_rate},
    Field{{"memory_rate", "B/s", "a GPU's memory", true}, nullptr, &Profile::memory_rate},
    Field{{"outstanding", "", "slices of one thread block that may be in flight, 0 for any number", true}},
    Field{{"read_request", "", "path latencies that a load's request takes"}, nullptr, nullptr, &Profile::read_request},
    Field{{"link_efficiency", "", "payload over raw bandwidth of every link", true}, nullptr, nullptr, &Profile::link_efficiency}};

const Field& field_of(std::string_view name) {
  const auto* found = std::ranges::find(fields, name, [](const Field& field) { return field.meaning.name; });
  expects(found != fields.end());
  return *found;
}

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

Profile at_end(const Profile& profile, bool fast) {
  auto result = profile;
  for (const auto& info : profile.numbers)
    result = with_number(std::move(result), info.name, field_of(info.name).meaning.more_is_faster == fast ? info.high : info.low);
  return result;
}

}  // namespace

std::vector<NumberMeaning> profile_numbers() {
  std::vector<NumberMeaning> all;
  for (const auto& field : fields) all.push_back(field.meaning);
  return all;
}

std::optional<double> number_of(const Profile& profile, std::string_view name) {
  const auto& field = field_of(name);
  if (field.time != nullptr) return (profile.*field.time).count();
  if (field.plain != nullptr) return profile.*field.plain;
  if (field.rate == nullptr) return profile.outstanding;
  const auto& rate = profile.*field.rate;
  return rate ? std::optional(static_cast<double>(rate->bytes_per_second())) : std::nullopt;
}

Profile with_number(Profile profile, std::string_view name, double value) {
  const auto& field = field_of(name);
  if (field.time != nullptr)
    profile.*field.time = Seconds{value};
  else if (field.plain != nullptr)
    profile.*field.plain = value;
  else if (field.rate != nullptr)
    profile.*field.rate = Bandwidth::bytes_per_second(to_nearest(value));
  else
    profile.outstanding = static_cast<int>(to_nearest(value));
  return profile;
}

Profile fastest(const Profile& profile) { return at_end(profile, true); }
Profile slowest(const Profile& profile) { return at_end(profile, false); }

Status check(const Profile& profile) {
  for (const auto& field : fields) {
    if (field.time != nullptr) {
      const auto value = (profile.*field.time).count();
      if (!(value >= 0 && value <= 1))
        return bad(fmt::format("profile '{}': {} must be from 0 to 1 s, found {} s", profile.name, field.meaning.name, value));
    }
    if (field.rate == nullptr) continue;
    const auto& rate = profile.*field.rate;
    if (rate && rate->bytes_per_second() <= 0) return bad(fmt::format("profile '{}': {} must be above zero", profile.name, field.meaning.name));
  }
  if (!(profile.copy_efficiency >= 0 && profile.copy_efficiency <= 1)) {
    return bad(fmt::format("profile '{}': copy_efficiency must be from 0 to 1, found {}", profile.name, profile.copy_efficiency));
  }
  if (profile.outstanding < 0) return bad(fmt::format("profile '{}': outstanding must not be negative, found {}", profile.name, profile.outstanding));
  if (!(profile.read_request >= 0 && profile.read_request <= 100)) {
    return bad(fmt::format("profile '{}': read_request must be from 0 to 100, found {}", profile.name, profile.read_request));
  }
  if (!(profile.link_efficiency > 0 && profile.link_efficiency <= 1)) {
    return bad(fmt::format("profile '{}': link_efficiency must be above 0 and at most 1, found {}", profile.name, profile.link_efficiency));
  }
  const auto& quirks = profile.quirks;
  if (quirks.minimum_transfer < Bytes{1} || quirks.minimum_transfer > Quirks::largest_minimum) {
    return bad(fmt::format("profile '{}': minimum_transfer must be from 1 to {} bytes, found {}", profile.name, Quirks::largest_minimum.count(),
                           quirks.minimum_transfer.count()));
  }
  for (const auto quirk : {quirks.pcie_read, quirks.duplex_read, quirks.fan_in, quirks.fan_out, quirks.posted_writes, quirks.exchange}) {
    if (!(quirk > 0 && quirk <= 1)) return bad(fmt::format("profile '{}': a quirk must be above 0 and at most 1, found {}", profile.name, quirk));
  }
  return {};
}

}  // namespace p2plab
