// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of communicators.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "capi/answer.h"
#include "capi/chooser.h"
#include "capi/communicators.h"
#include "capi/settings.h"
#include "p2plab/detail/settings.h"
#include "runtime/device_calls.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

std::uint64_t number_of_place(const Invitation& invitation) {
  const auto& place = invitation.place();
  return monitor::number_of(place.data(), place.size());
}

Result<Invitation> invitation_of(const p2plab_unique_id& id) {
  std::array<char, Invitation::size> bytes{};
  std::memcpy(bytes.data(), id.bytes, bytes.size());
  return Invitation::from_bytes(bytes);
}

// What was given, else what the settings say, else torchrun's variables.
Result<std::string> address_of(const char* given) {
  if (given != nullptr) return std::string{given};
  if (const char* address = setting("P2PLAB_ADDRESS"); address != nullptr) return std::string{address};
  const auto of_environment = [](const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return std::string{value == nullptr ? "" : value};
  };
  if (auto address = address_of_torchrun(of_environment); !address.empty()) return address;
  return Error{ErrorCode::invalid_input, "no address: neither P2PLAB_ADDRESS nor MASTER_ADDR and MASTER_PORT are set"};
}

void write_id(const Invitation& invitation, p2plab_unique_id* id) {
  const auto bytes = invitation.bytes();
  std::memcpy(id->bytes, bytes.data(), bytes.size());
}

void say_untuned(const Settings& settings) {
  if (!settings.tuned.empty() && settings.options.say)
    settings.options.say("tuned tables are of the whole machine: what is left goes by the built-in tuning");
}

// Losses are events of the record.
void tell(const p2plab_comm& comm) {
  if (comm.recording) comm.engine->tell_losses(comm.recording->teller());
}

}  // namespace

namespace p2plab::capi {

p2plab_result init_rank(Beginning given) {
  const auto settings = capi::read_settings(given.config);
  if (!settings) return failed(settings.error());
  if (!given.tuned) say_untuned(*settings);
  if (const auto warning = given.invitation.warning(); !warning.empty() && given.rank == 0 && settings->options.say) settings->options.say(warning);
  // What only this rank lacks ends the others' waiting, too: it is said in the session.
  const JoinOptions options{.rank = given.rank,
                            .ranks = given.ranks,
                            .gathering = settings->gathering,
                            .timeout = settings->options.timeout,
                            .several_machines = given.invitation.over_tcp()};
  auto session = join(given.invitation, options, std::move(given.listener));
  if (!session) return failed(session.error());
  auto chooser = capi::make_chooser(given.tuned ? settings->tuned : std::vector<std::string>{}, given.ranks, settings->fixed_order);
  if (!chooser) {
    abandon(**session, chooser.error().message);
    return failed(chooser.error());
  }
  auto engine = runtime::Engine::create(*std::move(session), given.device, *std::move(chooser), settings->options);
  if (!engine) return failed(engine.error());
  const auto number = given.number.value_or(number_of_place(given.invitation));
  auto recording = CallRecording::of({number, given.rank, given.ranks, given.device});
  *given.comm = new p2plab_comm{*std::move(engine), given.rank, number, std::move(recording), given.invitation};
  tell(**given.comm);
  return P2PLAB_OK;
}

Result<AllHere> init_here(const std::vector<int>& devices, const p2plab_config* config, bool tuned) {
  const auto settings = capi::read_settings(config);
  if (!settings) return settings.error();
  if (!tuned) say_untuned(*settings);
  auto chooser = capi::make_chooser(tuned ? settings->tuned : std::vector<std::string>{}, static_cast<int>(devices.size()), settings->fixed_order);
  if (!chooser) return std::move(chooser).error();
  auto made = runtime::Engine::create(devices, *std::move(chooser), settings->options);
  if (!made) return std::move(made).error();
  AllHere all{.engine = *std::move(made), .repairs = std::make_shared<Repairs>()};
  // No other process has a rank in it: its number is that of a place in this one's memory, which lives as long as it does.
  const auto place = reinterpret_cast<std::uintptr_t>(all.engine.get());
  all.number = monitor::number_of(&place, sizeof place) ^ static_cast<std::uint64_t>(getpid());
  return all;
}

std::unique_ptr<p2plab_comm> rank_here(const AllHere& all, int rank) {
  auto recording = CallRecording::of({all.number, rank, all.engine->ranks(), all.engine->device(rank)});
  // An aggregate: clang 14's std::make_unique makes none.
  return std::unique_ptr<p2plab_comm>(  // NOLINT(modernize-make-unique)
      new p2plab_comm{all.engine, rank, all.number, std::move(recording), std::nullopt, all.repairs});
}

}  // namespace p2plab::capi

extern "C" {

int p2plab_abi(void) { return P2PLAB_ABI; }
const char* p2plab_version(void) { return P2PLAB_VERSION; }

const char* p2plab_result_name(p2plab_result result) {
  switch (result) {
    case P2PLAB_OK: return "P2PLAB_OK";
    case P2PLAB_INVALID: return "P2PLAB_INVALID";
    case P2PLAB_UNSUPPORTED: return "P2PLAB_UNSUPPORTED";
    case P2PLAB_NO_DEVICE: return "P2PLAB_NO_DEVICE";
    case P2PLAB_FAILED: return "P2PLAB_FAILED";
    case P2PLAB_NOT_SERVED: return "P2PLAB_NOT_SERVED";
    case P2PLAB_LEFT_TO_NCCL: return "P2PLAB_LEFT_TO_NCCL";
  }
  return "unknown p2plab_result";
}

const char* p2plab_last_error(void) { return last_error().c_str(); }

const char* p2plab_setting(const char* variable) {
  const char* said = nullptr;
  const auto asked = guarded([&] {
    if (variable == nullptr) return invalid("no variable");
    said = setting(variable);
    const auto& file = settings_of_process();
    return said != nullptr || file ? P2PLAB_OK : failed(file.error());
  });
  return asked == P2PLAB_OK ? said : nullptr;
}

p2plab_result p2plab_device_count(int* count) {
  return guarded([&] {
    if (count == nullptr) return invalid("no place for the count");
    const auto found = runtime::device::count();
    *count = found ? *found : 0;
    return found ? P2PLAB_OK : failed(found.error());
  });
}

p2plab_result p2plab_get_unique_id(p2plab_unique_id* id) {
  return guarded([&] {
    if (id == nullptr) return invalid("no place for the id");
    const auto made = Invitation::make();
    if (!made) return failed(made.error());
    write_id(*made, id);
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_named_unique_id(const char* text, p2plab_unique_id* id) {
  return guarded([&] {
    if (text == nullptr || id == nullptr) return invalid("no text, or no place for the id");
    write_id(Invitation::named(text), id);
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_address_unique_id(const char* address, p2plab_unique_id* id) {
  return guarded([&] {
    if (id == nullptr) return invalid("no place for the id");
    const auto text = address_of(address);
    if (!text) return failed(text.error());
    const auto place = Invitation::at(*text, secret_of_environment());
    if (!place) return failed(place.error());
    write_id(*place, id);
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_init_rank(p2plab_comm** comm, int ranks, p2plab_unique_id id, int rank, int device, const p2plab_config* config) {
  return guarded([&] {
    if (comm == nullptr) return invalid("no place for the communicator");
    *comm = nullptr;
    const auto invitation = invitation_of(id);
    if (!invitation) return failed(invitation.error());
    return init_rank({.comm = comm, .ranks = ranks, .invitation = *invitation, .rank = rank, .device = device, .config = config});
  });
}

p2plab_result p2plab_comm_init_exchange(p2plab_comm** comm, int ranks, int rank, int device, p2plab_exchange exchange, void* user,
                                        const p2plab_config* config) {
  return guarded([&] {
    if (comm == nullptr || exchange == nullptr) return invalid("no place for the communicator, or no exchange");
    *comm = nullptr;
    if (ranks < 1 || ranks > most_joined || rank < 0 || rank >= ranks) return invalid("ranks are 0 to n-1, of at most 1024");
    auto mine = MeetingOffer::make(rank);
    // Who cannot offer a place takes part all the same: the others wait in the exchange, and hear of it there.
    const auto bytes = mine ? mine->bytes() : std::array<char, Invitation::size>{};
    std::vector<std::array<char, Invitation::size>> all(static_cast<std::size_t>(ranks));
    if (exchange(bytes.data(), all.data(), bytes.size(), user) != 0) return failed({ErrorCode::device_failure, "the caller's exchange failed"});
    if (!mine) return failed(mine.error());
    const auto place = MeetingOffer::settle(all);
    if (!place) return failed(place.error());
    return init_rank({.comm = comm,
                      .ranks = ranks,
                      .invitation = *place,
                      .rank = rank,
                      .device = device,
                      .config = config,
                      .listener = place->over_tcp() ? mine->take_listener() : FileDescriptor{}});
  });
}

p2plab_result p2plab_comm_init_all(p2plab_comm** comms, int ranks, const int* devices, const p2plab_config* config) {
  return guarded([&] {
    if (comms == nullptr || devices == nullptr) return invalid("no place for the communicators, or no devices");
    if (ranks < 1 || ranks > 64) return invalid("there are 1 to 64 ranks");
    std::fill_n(comms, ranks, nullptr);
    const auto all = init_here(std::vector<int>(devices, devices + ranks), config);
    if (!all) return failed(all.error());
    for (int r = 0; r < ranks; ++r) comms[r] = rank_here(*all, r).release();
    tell(**comms);
    return P2PLAB_OK;
  });
}

int p2plab_comm_rank(const p2plab_comm* comm) { return comm == nullptr ? -1 : comm->rank; }
int p2plab_comm_ranks(const p2plab_comm* comm) { return comm == nullptr ? 0 : comm->engine->ranks(); }
int p2plab_comm_device(const p2plab_comm* comm) { return comm == nullptr ? -1 : comm->engine->device(comm->rank); }

p2plab_result p2plab_comm_finalize(p2plab_comm* comm) {
  return guarded([&] {
    if (comm == nullptr) return invalid("no communicator");
    comm->engine->finalize();
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_abort(p2plab_comm* comm, const char* why) {
  return guarded([&] {
    if (comm == nullptr) return invalid("no communicator");
    comm->engine->abort(why == nullptr ? "aborted" : why);
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_destroy(p2plab_comm* comm) {
  return guarded([&] {
    if (comm == nullptr) return P2PLAB_OK;
    if (auto may = comm->engine->may_leave(comm->rank); !may) return failed(may.error());
    delete comm;
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_async_error(const p2plab_comm* comm) {
  return guarded([&] {
    if (comm == nullptr) return invalid("no communicator");
    const auto state = comm->engine->state();
    if (!state && comm->recording) comm->recording->note(state.error());
    return outcome(state);
  });
}

}  // extern "C"
