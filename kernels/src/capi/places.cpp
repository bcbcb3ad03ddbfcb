// SPDX-License-Identifier: Apache-2.0
// Ranks that share no more than a name and a place, which one process keeps open.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>

#include "capi/answer.h"
#include "capi/communicators.h"
#include "capi/settings.h"
#include "meeting/meeting_place.h"
#include "p2plab/c/beside_nccl.h"
#include "processes/rendezvous_server.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

static_assert(P2PLAB_PLACE_BYTES == processes::PlaceToMeet::size);

using OfferBytes = std::array<char, Invitation::size>;

// What a rank gives to all: where it would meet, which process it is, on which server.
std::string card_of(const MeetingOffer& offer) {
  const auto bytes = offer.bytes();
  const auto text = std::string(bytes.data(), bytes.size()) + fmt::format("{} {}", getpid(), processes::server_here());
  return text.substr(0, processes::most_exchanged - 1) +
         std::string(processes::most_exchanged - std::min(text.size(), processes::most_exchanged - 1), '\0');
}

// Messages of two ranks of one process would have to be in one group of NCCL's, which callers of ours need not make.
Status check_processes(const std::vector<std::string>& cards) {
  std::map<std::string, std::size_t> first_of;
  std::set<std::string> servers;
  std::string twice;
  for (std::size_t r = 0; r < cards.size(); ++r) {
    const std::string who = cards[r].substr(Invitation::size).c_str();
    servers.insert(who.substr(std::min(who.find(' '), who.size())));
    const auto [found, first] = first_of.emplace(who, r);
    if (!first && twice.empty()) twice = fmt::format("ranks {} and {} are of one process", found->second, r);
  }
  if (servers.size() < 2 || twice.empty()) return {};
  return Error{ErrorCode::unsupported, twice + ": over several servers each rank has a process of its own"};
}

}  // namespace

extern "C" {

p2plab_result p2plab_open_place(void* place) {
  return guarded([&] {
    if (place == nullptr) return invalid("no room for the place");
    const auto opened = processes::MeetingPlace::of_process();
    if (!opened) return failed(opened.error());
    const auto bytes = opened->bytes();
    std::memcpy(place, bytes.data(), bytes.size());
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_init_place(p2plab_comm** comm, int ranks, const void* place, const char* name, int rank, int device,
                                     const p2plab_config* config) {
  return guarded([&] {
    if (comm == nullptr || place == nullptr || name == nullptr) return invalid("no place for the communicator, no place to meet, or no name");
    *comm = nullptr;
    if (ranks < 1 || ranks > most_joined || rank < 0 || rank >= ranks) return invalid("ranks are 0 to n-1, of at most 1024");
    std::array<char, processes::PlaceToMeet::size> bytes{};
    std::memcpy(bytes.data(), place, bytes.size());
    const auto where = processes::PlaceToMeet::from(bytes);
    if (!where) return invalid("these bytes are no place to meet at");
    const auto settings = read_settings(config);
    if (!settings) return failed(settings.error());
    auto mine = MeetingOffer::make(rank);
    if (!mine) return failed(mine.error());
    const auto cards = processes::exchange_at(*where, name, rank, ranks, card_of(*mine), settings->gathering);
    if (!cards) return failed(cards.error());
    if (auto apart = check_processes(*cards); !apart) return failed(apart.error());
    std::vector<OfferBytes> offers(cards->size());
    for (std::size_t r = 0; r < offers.size(); ++r) std::copy_n((*cards)[r].begin(), Invitation::size, offers[r].begin());
    const auto met = MeetingOffer::settle(offers);
    if (!met) return failed(met.error());
    return init_rank({.comm = comm,
                      .ranks = ranks,
                      .invitation = *met,
                      .rank = rank,
                      .device = device,
                      .config = config,
                      .listener = met->over_tcp() ? mine->take_listener() : FileDescriptor{}});
  });
}

int p2plab_comm_servers(const p2plab_comm* comm) { return comm == nullptr ? 0 : comm->engine->servers(); }

p2plab_result p2plab_reserve(p2plab_comm* comm, const p2plab_call* call) {
  return guarded([&] {
    if (comm == nullptr || call == nullptr) return invalid("no communicator, or no call");
    const auto read = call_of(*call, comm->engine->ranks());
    if (!read) return failed(read.error());
    const auto reserved = comm->engine->reserve(comm->rank, *read);
    if (!reserved) return failed(reserved.error());
    if (*reserved) return P2PLAB_OK;
    return comm->engine->left_to_nccl(*read) ? P2PLAB_LEFT_TO_NCCL : P2PLAB_NOT_SERVED;
  });
}

}  // extern "C"
