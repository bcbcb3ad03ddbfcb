// SPDX-License-Identifier: Apache-2.0
// Where ranks meet that exchange bytes before.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "detect/interfaces.h"
#include "p2plab/detail/digest.h"
#include "p2plab/run/rendezvous.h"
#include "processes/rendezvous_server.h"
#include "processes/tcp.h"

namespace p2plab {

namespace {

constexpr std::string_view offer_mark = "p2plab-offer-1 ";
constexpr std::size_t place_digits = 16;
constexpr std::string_view no_address = "-";

// The machine and the network namespace, which Unix sockets do not leave.
std::string place_here() {
  std::array<char, 64> network{};
  [[maybe_unused]] const auto size = readlink("/proc/self/ns/net", network.data(), network.size() - 1);
  Digest place;
  place.add(processes::machine_here());
  place.add(network.data());
  return to_string(place.value()).substr(0, place_digits);
}

struct Parts {
  std::string place;
  std::string word;
  std::string address;
};

std::optional<Parts> parts_of(const std::array<char, Invitation::size>& bytes) {
  if (bytes.back() != 0) return std::nullopt;
  const std::string text(bytes.data());
  if (!text.starts_with(offer_mark) || text.size() < offer_mark.size() + place_digits + 1 + processes::token_size + 1) return std::nullopt;
  const auto rest = text.substr(offer_mark.size());
  Parts parts{rest.substr(0, place_digits), rest.substr(place_digits + 1, processes::token_size),
              rest.substr(place_digits + processes::token_size + 2)};
  const auto digits = [](const std::string& part) { return part.find_first_not_of("0123456789abcdef") == std::string::npos; };
  return digits(parts.place) && digits(parts.word) ? std::optional{parts} : std::nullopt;
}

}  // namespace

Result<MeetingOffer> MeetingOffer::make(int rank) {
  const auto invitation = Invitation::make();
  if (!invitation) return invitation.error();
  MeetingOffer offer;
  offer.place_ = place_here();
  offer.word_ = invitation->place().substr(invitation->place().find('/') + 1);
  if (rank != 0) return offer;
  const auto here = detect::address_here();
  if (!here && here.error().code == ErrorCode::io) return offer;  // ranks of this machine need no network
  if (!here) return here.error();
  auto opened = processes::listen_at_any_port(*here);
  if (!opened) return std::move(opened).error();
  offer.address_ = opened->address.text();
  offer.listener_ = std::move(opened->listener);
  return offer;
}

std::array<char, Invitation::size> MeetingOffer::bytes() const {
  const auto text = fmt::format("{}{} {} {}", offer_mark, place_, word_, address_);
  std::array<char, Invitation::size> all{};
  expects(text.size() < all.size());
  std::ranges::copy(text, all.begin());
  return all;
}

Result<Invitation> MeetingOffer::settle(std::span<const std::array<char, Invitation::size>> all) {
  std::vector<Parts> parts;
  for (std::size_t r = 0; r < all.size(); ++r) {
    const auto read = parts_of(all[r]);
    if (!read) return Error{ErrorCode::invalid_input, fmt::format("rank {} exchanged nothing that this version of p2plab understands", r)};
    parts.push_back(*read);
  }
  const auto& first = parts.front();
  const bool together = std::ranges::all_of(parts, [&](const Parts& each) { return each.place == first.place; });
  if (!together && first.address == no_address)
    return Error{ErrorCode::io, "rank 0 has no network interface that is up, by which ranks of other machines could reach it"};
  return together ? Invitation::in_this_machine(first.word) : Invitation::at(first.address, first.word);
}

}  // namespace p2plab
