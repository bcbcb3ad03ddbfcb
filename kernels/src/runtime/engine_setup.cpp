// SPDX-License-Identifier: Apache-2.0
// How an engine begins: what all ranks must share, which way their data can go, what is made ready.
#include <algorithm>

#include <fmt/format.h>

#include "processes/rendezvous_server.h"
#include "processes/results.h"
#include "runtime/engine.h"
#include "runtime/machines.h"
#include "stages/server_session.h"

namespace p2plab::runtime {

Result<std::unique_ptr<Engine>> Engine::create(const std::vector<int>& devices, std::shared_ptr<Chooser> chooser, const EngineOptions& options) {
  std::unique_ptr<Engine> engine{new Engine(std::move(chooser), options, static_cast<int>(devices.size()))};
  std::vector<GpuPrograms::Here> here;
  for (std::size_t r = 0; r < devices.size(); ++r) here.push_back({static_cast<int>(r), devices[r]});
  auto communicator =
      Communicator::create(devices, {.at_once = options.at_once, .deadline = options.deadline, .recorded = options.recorded, .steps = options.steps});
  if (!communicator) return std::move(communicator).error();
  engine->communicator_.emplace(*std::move(communicator));
  if (auto begun = engine->begin(here); !begun) return std::move(begun).error();
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<Session> session, int device, std::shared_ptr<Chooser> chooser,
                                               const EngineOptions& options) {
  std::unique_ptr<Engine> engine{new Engine(std::move(chooser), options, session->ranks())};
  engine->session_ = std::move(session);
  if (auto agreed = engine->agree_on_chooser(); !agreed) return std::move(agreed).error();
  if (auto met = engine->meet_servers(); !met) return std::move(met).error();
  auto& mates = engine->over_servers() ? *engine->server_session_ : *engine->session_;
  auto communicator = Communicator::create(
      mates, device, {.at_once = options.at_once, .deadline = options.deadline, .recorded = options.recorded, .steps = options.steps});
  auto well = communicator ? Status{} : Status{communicator.error()};
  if (engine->over_servers()) well = processes::all_well(*engine->session_, well);
  if (!well) return std::move(well).error();
  engine->communicator_.emplace(*std::move(communicator));
  if (auto begun = engine->begin({{engine->session_->rank(), device}}); !begun) return std::move(begun).error();
  return engine;
}

// Who shares a server with whom; those of one have a session of their own, if there are several.
Status Engine::meet_servers() {
  const auto said = session_->all_gather(processes::server_here());
  if (!said) return said.error();
  servers_ = servers_by(*said);
  if (servers_.count() == 1) return {};
  if (!options_.nccl && !options_.callers_nccl)
    return Error{
        ErrorCode::unsupported,
        fmt::format("the ranks are on {} servers, between which NCCL carries data, and NCCL is not to be loaded (load_nccl is 0, or order is fixed)",
                    servers_.count())};
  auto joined = stages::join_server(*session_, servers_);
  if (!joined) return std::move(joined).error();
  server_session_ = *std::move(joined);
  return {};
}

// Same version, tables and options, or one sentence on all ranks.
Status Engine::agree_on_chooser() {
  auto prepared = std::string{};
  for (const auto& call : options_.prepare) prepared += runtime::describe(call) + ";";
  const Offer mine{.build = processes::build(), .digest = fmt::format("{} {}", chooser_->digest(), options_.most.count()), .obstacle = {}};
  auto agreed = agree(*session_, mine);
  if (!agreed && agreed.error().message.find("another program") != std::string::npos) {
    const auto message = agreed.error().message;
    return Error{ErrorCode::unsupported, fmt::format("{} has other tuned tables or options than rank 0", message.substr(0, message.find(" is to")))};
  }
  if (!agreed) return agreed;
  const auto settings = fmt::format("{} {} {} {:g} s, at most {} blocks {}", to_string(options_.backend), options_.only_ready, options_.nccl,
                                    options_.deadline.count(), options_.most_blocks, prepared);
  const auto all = session_->all_gather(settings);
  if (!all) return all.error();
  for (std::size_t r = 1; r < all->size(); ++r) {
    if ((*all)[r] != all->front())
      return Error{ErrorCode::invalid_input, fmt::format("rank {} has other settings than rank 0: '{}', not '{}'", r, (*all)[r], all->front())};
  }
  return {};
}

Status Engine::begin(const std::vector<GpuPrograms::Here>& here) {
  std::vector<int> ranks;
  for (const auto& [rank, device] : here) {
    auto order = device::Order::create(device);
    if (!order) return order.error();
    auto late = device::pinned(Bytes{64});
    if (!late) return std::move(late).error();
    if (auto loaded = device::load_neighbours(device); !loaded) return loaded;
    here_[rank] = Side{.device = device, .order = *std::move(order), .late = *std::move(late)};
    ranks.push_back(rank);
  }
  if (auto looked = look_at_machine(here); !looked) return looked;
  // Ranks of one thread would have to be grouped for NCCL, which callers of ours need not.
  const bool may_help = backend_ == Backend::automatic && session_ != nullptr;
  // Callers of only_ready have an NCCL of their own.
  if (backend_ == Backend::nccl && !options_.nccl && !options_.only_ready) fall_back(Backend::p2p, "NCCL is not to be loaded (load_nccl is 0)");
  const bool load = options_.nccl && (may_help || backend_ == Backend::nccl || over_servers()) && ranks_ > 1;
  if (load) {
    if (auto loaded = load_nccl(here); !loaded) return loaded;
  }
  watch_links();
  if (auto taken = over_servers() ? take_carriers(here.front()) : Status{}; !taken) return taken;
  if (nccl_ && session_ && !carriers_) listening_ = session_->on_loss([this] { nccl_->abort(); });
  if (carriers_) listening_ = session_->on_loss([this] { carriers_->abort(); });
  if (backend_ == Backend::automatic) fall_back(Backend::p2p, {});
  std::vector<Call> wanted;
  for (const auto& call : options_.prepare) {
    const auto programs = by_nccl(call) ? std::vector<Call>{} : programs_of(call);
    wanted.insert(wanted.end(), programs.begin(), programs.end());
  }
  options_.prepare = std::move(wanted);
  const auto plans = [this](const Call& call) { return chooser_->choose(call, ranks_, *machine_); };
  maker_ = std::make_unique<GpuPrograms>(*communicator_, session_.get(), ranks_, here, plans, options_.most_blocks, carriers_.get());
  const auto refused = [this](const Call& call, const Error& why) { say_refusal(call, why); };
  programs_ = std::make_unique<AgreedPrograms>(session_.get(), *maker_,
                                               AgreementOptions{.ranks_here = ranks, .timeout = options_.timeout, .refused = refused});
  return options_.start_later ? Status{} : make_ready();
}

void Engine::count(int rank, std::vector<Call> calls) {
  if (ranks_ == 1) return;
  for (const auto& call : options_.prepare) programs_->want(call);
  std::erase_if(calls, [&](const Call& call) { return call.count == 0 || by_nccl(normal(call)) || long_one(call); });
  for (auto& call : calls) call = normal(call);
  programs_->count(rank, calls);
}

// What cannot be made is said; what it was to serve is served otherwise.
Status Engine::make_ready() {
  if (backend_ == Backend::nccl || ranks_ == 1) return {};
  for (const auto& call : options_.prepare) programs_->want(call);
  for (const auto& call : options_.prepare) {
    auto ready = programs_->prepare(call);
    if (!ready && !programs_->state()) return ready;
    if (!ready) say(fmt::format("{} is not made ready: {}", runtime::describe(call), ready.error().message));
  }
  return {};
}

// Of a program that is made in the background: once, by one rank, for all know the same.
void Engine::say_refusal(const Call& call, const Error& why) const {
  const bool prepared = std::ranges::find(options_.prepare, call) != options_.prepare.end();
  if (!prepared && nccl_serves(call) && here_.contains(0)) say(fmt::format("{} is NCCL's: {}", runtime::describe(call), why.message));
}

Result<std::vector<std::string>> Engine::gathered(const std::string& mine) const {
  if (session_ == nullptr) return std::vector<std::string>{mine};
  return session_->all_gather(mine);
}

// What the machine is, whether the tables are for it, and which way data goes.
Status Engine::look_at_machine(const std::vector<GpuPrograms::Here>& here) {
  if (servers_.of.empty()) servers_ = servers_by(std::vector<std::string>(static_cast<std::size_t>(ranks_)));
  const auto running = look_around(here, servers_, [this](const std::string& mine) { return gathered(mine); });
  if (!running) return running.error();
  const auto apart = pairs_apart(*running);
  if (!apart) return apart.error();
  take_ways(*running, *apart);
  const auto notes = chooser_->settle(*running, options_.backend == Backend::host);
  if (!notes) return notes.error();
  // All processes know the same: one says it.
  for (const auto& note : *notes) {
    if (here_.contains(0)) say(note);
  }
  return {};
}

// Which ranks reach each other's memory: all, or data goes through the host's. GPUs that no process sees beside its own are taken to be on PCIe.
void Engine::take_ways(const RunningMachine& running, const std::vector<std::pair<int, int>>& torn) {
  bool all_nvlink = true;
  std::string apart;
  for (std::size_t a = 0; a < running.reach.size(); ++a) {
    for (std::size_t b = 0; b < running.reach.size(); ++b) {
      if (!running.servers.together(Rank{static_cast<std::int64_t>(a)}, Rank{static_cast<std::int64_t>(b)})) continue;
      const auto reach = running.reach[a][b];
      all_nvlink = all_nvlink && reach == device::Reach::nvlink;
      if (reach == device::Reach::none && apart.empty()) apart = fmt::format("GPU {} of rank {} and that of rank {}", running.buses[a], a, b);
    }
  }
  const bool may_fall = options_.backend != Backend::host && options_.backend != Backend::nccl;
  if (!apart.empty() && may_fall) fall_back(Backend::host, fmt::format("there is no peer access between {}", apart));
  const bool by_host = backend_ == Backend::host;
  const auto inside = by_host ? device::Reach::none : all_nvlink ? device::Reach::nvlink : device::Reach::peer;
  machine_ = over_servers() ? network_machine(running.servers, inside) : by_host ? host_machine(ranks_) : peer_machine(ranks_, all_nvlink);
  const bool is_torn = !torn.empty() && !over_servers() && !by_host;
  if (is_torn) machine_ = torn_machine(ranks_, torn, all_nvlink);
  if (!reason_.empty()) return;
  const bool asked = by_host || backend_ == Backend::nccl;
  reason_ = asked ? "asked for" : all_nvlink ? "all GPUs reach each other by NVLink" : "all GPUs reach each other";
  if (is_torn && !asked)
    reason_ = fmt::format("{} lost their NVLinks and go through host memory", torn.size() == 1 ? "two ranks" : "some pairs of ranks");
  if (over_servers() && !asked) reason_ = fmt::format("{} servers, NCCL between them", servers_.count());
}

// A missing NCCL is no misfortune unless it was asked for.
Status Engine::load_nccl(const std::vector<GpuPrograms::Here>& here) {
  auto calls = NcclCalls::create(session_.get(), ranks_, here);
  if (calls) {
    nccl_ = std::move(*calls);
    return {};
  }
  if (session_ != nullptr) {
    if (auto state = session_->state(); !state) return state;
  }
  if (over_servers())
    return Error{ErrorCode::unsupported,
                 fmt::format("the ranks are on {} servers, between which NCCL carries data: {}", servers_.count(), calls.error().message)};
  if (options_.backend == Backend::nccl) fall_back(Backend::p2p, "NCCL cannot serve: " + calls.error().message);
  return {};
}

// The caller's communicator where it gave us one, else ours, and further ones.
Status Engine::take_carriers(const GpuPrograms::Here& here) {
  const auto* const callers = options_.callers_nccl ? &*options_.callers_nccl : nullptr;
  if (callers != nullptr) callers_nccl_ = NcclCalls::over(*callers, ranks_, session_->rank());
  auto carriers = Carriers::create(callers != nullptr ? *callers_nccl_ : *nccl_, *session_, here, servers_, callers);
  if (!carriers) return std::move(carriers).error();
  carriers_ = *std::move(carriers);
  chooser_->carried_by(carriers_->count(), carriers_->by_sockets());
  return {};
}

void Engine::fall_back(Backend to, const std::string& why) {
  if (!why.empty()) {
    reason_ = why;
    if (options_.backend != Backend::automatic || to == Backend::host)
      say(fmt::format("backend {} instead of {}: {}", to_string(to), to_string(options_.backend), why));
  }
  backend_ = to;
}

}  // namespace p2plab::runtime
