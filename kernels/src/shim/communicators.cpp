// SPDX-License-Identifier: Apache-2.0
#include "shim/communicators.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>

#include "shim/for_libp2plab.h"
#include "shim/recording.h"
#include "shim/settings.h"

namespace p2plab::shim {

namespace {

constexpr double usual_wait = 20;  // seconds for programs to be ready
constexpr double usual_join = 5;   // for all shims to meet, which have all just left the same call of NCCL
constexpr double usual_timeout = 60;

double seconds_of(const char* variable, double usual) {
  const char* text = setting(variable);
  char* end = nullptr;
  const double value = text == nullptr ? usual : std::strtod(text, &end);
  if (text != nullptr && (end == text || *end != '\0' || !(value >= 0 && value <= 86400))) {
    say(std::string{variable} + "='" + text + "' is no number of seconds; " + std::to_string(usual) + " is taken");
    return usual;
  }
  return value;
}

Runtime load() {
  Runtime made;
  void* const handle = our_library();
  if (handle == nullptr || switched_off()) return made;
  bool all = true;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    all = all && function != nullptr;
  };
  find("p2plab_named_unique_id", made.named_unique_id);
  find("p2plab_comm_init_rank", made.init_rank);
  find("p2plab_open_place", made.open_place);
  find("p2plab_comm_init_place", made.init_place);
  find("p2plab_comm_servers", made.servers);
  find("p2plab_reserve", made.reserve);
  find("p2plab_comm_init_all", made.init_all);
  find("p2plab_comm_start", made.start);
  find("p2plab_comm_ready", made.ready);
  find("p2plab_comm_destroy", made.destroy);
  find("p2plab_comm_abort", made.abort);
  find("p2plab_comm_async_error", made.async_error);
  find("p2plab_all_reduce", made.all_reduce);
  find("p2plab_reduce", made.reduce);
  find("p2plab_reduce_scatter", made.reduce_scatter);
  find("p2plab_all_gather", made.all_gather);
  find("p2plab_broadcast", made.broadcast);
  find("p2plab_gather", made.gather);
  find("p2plab_scatter", made.scatter);
  find("p2plab_all_to_all", made.all_to_all);
  find("p2plab_last_error", made.last_error);
  made.loaded = all;
  if (!all) say("all calls are passed on: libp2plab.so.1 is of another version");
  return made;
}

p2plab_config config_of_shim() {
  p2plab_config config = P2PLAB_CONFIG;
  config.join_seconds = seconds_of("P2PLAB_JOIN", usual_join);
  config.timeout_seconds = seconds_of("P2PLAB_TIMEOUT", usual_timeout);
  config.serve_ready_only = one_order_of_sums() ? 0 : 1;
  config.start_later = 1;
  config.load_nccl = 0;
  return config;
}

// Over several servers messages go by the program's own communicator, in its own threads, and large ones by further ones, too, in the same order on
// all ranks.
p2plab_result join(const NewComm& made, p2plab_comm** ours) {
  const auto& library = runtime();
  const auto nccl = nccl_of(made.comm);
  auto config = config_of_shim();
  config.nccl = &nccl;
  if (!made.place.empty()) return library.init_place(ours, made.ranks, made.place.data(), made.name.c_str(), made.rank, made.device, &config);
  p2plab_unique_id id;
  const auto result = library.named_unique_id(made.name.c_str(), &id);
  return result == P2PLAB_OK ? library.init_rank(ours, made.ranks, id, made.rank, made.device, &config) : result;
}

void destroy(p2plab_comm* ours) {
  if (runtime().destroy(ours) != P2PLAB_OK) say(std::string{"a communicator is not freed: "} + runtime().last_error());
}

// Joins the other ranks' shims; those that do not come within the time leave all calls to NCCL, on all ranks.
void set_up(const std::shared_ptr<Peer>& peer, const NewComm& made) {
  const auto& library = runtime();
  p2plab_comm* joined = nullptr;
  const auto who = "rank " + std::to_string(made.rank) + " of " + std::to_string(made.ranks);
  if (join(made, &joined) != P2PLAB_OK) {
    say(who + ": NCCL serves all calls: " + library.last_error());
    return peer->give_up();
  }
  Ours ours(joined, destroy);
  if (const int servers = library.servers(joined); servers > 1 && made.rank == 0)
    say(who + ", on " + std::to_string(servers) + " servers: plans by stages serve what they are known to be faster at, NCCL the rest");
  if (!peer->publish(std::move(ours))) peer->give_up();
}

}  // namespace

const Runtime& runtime() {
  static const Runtime made = load();
  return made;
}

bool one_order_of_sums() {
  static const bool asked = [] {
    const char* text = setting("P2PLAB_ORDER");
    return text != nullptr && std::string_view{text} == "fixed";
  }();
  return asked;
}

std::string Peer::next_name(const std::string& how) {
  const std::lock_guard lock(mutex_);
  return name_ + "/" + std::to_string(made_++) + how;
}

// Whoever has made more calls than this before all shims met goes on with NCCL alone. NCCL itself makes no more in the seconds that they may take.
Ours Peer::note(const p2plab_call& call) {
  constexpr std::size_t most = 1 << 21;
  const std::lock_guard lock(mutex_);
  if (ours_ != nullptr || over_) return ours_;
  if (calls_.size() < most) {
    calls_.push_back(call);
    return nullptr;
  }
  say(std::to_string(most) + " calls before the other ranks' shims came: NCCL serves all calls");
  over_ = true;
  calls_ = {};
  return nullptr;
}

// From here on ours counts itself; which call its programs begin at is agreed on afterwards, so no call before this one can be meant.
bool Peer::publish(Ours ours) {
  auto* const made = ours.get();  // `take` waits for what is done with it
  {
    const std::lock_guard lock(mutex_);
    if (taken_ || over_ || runtime().start(made, calls_.data(), calls_.size()) != P2PLAB_OK) return false;
    ours_ = std::move(ours);
    calls_ = {};
  }
  // Programs are made while calls go on.
  if (runtime().ready(made) != P2PLAB_OK) say(std::string{"not all programs are ready: "} + runtime().last_error());
  const std::lock_guard lock(mutex_);
  over_ = true;
  changed_.notify_all();
  return true;
}

void Peer::give_up() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  calls_ = {};
  changed_.notify_all();
}

void Peer::wait(double seconds) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return over_; });
}

Ours Peer::take() {
  std::unique_lock lock(mutex_);
  taken_ = true;
  // Its thread may be making programs with it.
  if (ours_ != nullptr) changed_.wait(lock, [&] { return over_; });
  return std::exchange(ours_, nullptr);
}

Ours Peer::ours() {
  const std::lock_guard lock(mutex_);
  return ours_;
}

std::shared_ptr<Peer> Communicators::find(Comm comm) {
  const std::shared_lock lock(mutex_);
  const auto found = all_.find(comm);
  return found == all_.end() ? nullptr : found->second;
}

std::shared_ptr<Peer> Communicators::keep(Comm comm, std::shared_ptr<Peer> peer) {
  std::shared_ptr<Peer> before;  // of one there that ended unseen: it may wait for others, which needs no lock
  const std::lock_guard lock(mutex_);
  before = std::exchange(all_[comm], peer);
  return peer;
}

void Communicators::add(const NewComm& made, bool wait) {
  if (made.comm == nullptr || !runtime().loaded) return;
  wait |= one_order_of_sums();
  const int side = recorded_side(made.name, made.rank, made.ranks, made.device);
  const auto peer = keep(made.comm, std::make_shared<Peer>(made.name, made.place, side, true));
  std::thread([peer, made] { set_up(peer, made); }).detach();
  if (wait) peer->wait(seconds_of("P2PLAB_WAIT", usual_wait));
}

// Nothing was called on them yet.
void Communicators::add_all(const std::vector<Comm>& comms, const std::vector<int>& devices) {
  if (!runtime().loaded) return;
  std::vector<p2plab_comm*> ours(comms.size());
  const auto config = config_of_shim();
  if (runtime().init_all(ours.data(), static_cast<int>(ours.size()), devices.data(), &config) != P2PLAB_OK)
    return say(std::string{"NCCL serves all calls: "} + runtime().last_error());
  for (std::size_t r = 0; r < ours.size(); ++r) {
    const auto name = "all ranks of process " + std::to_string(getpid());
    const int side = recorded_side(name + ", " + std::to_string(reinterpret_cast<std::uintptr_t>(comms.front())), static_cast<int>(r),
                                   static_cast<int>(comms.size()), devices[r]);
    keep(comms[r], std::make_shared<Peer>(name, std::string{}, side, false))->publish({ours[r], destroy});
  }
}

// `last`: no other rank of its communicator is left in this process.
std::shared_ptr<Peer> Communicators::drop(Comm comm, bool& last) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(comm);
  if (found == all_.end()) return nullptr;
  auto peer = std::move(found->second);
  all_.erase(found);
  last =
      !peer->meets() || std::ranges::none_of(all_, [&](const auto& other) { return other.second->meets() && other.second->name() == peer->name(); });
  return peer;
}

// Ranks that end wait for each other. Where one thread ends several, the first must not keep it from the others.
void Communicators::remove(Comm comm, bool abort) {
  forget_recorded(comm);
  bool last = true;
  const auto peer = drop(comm, last);
  if (peer == nullptr) return;
  close_recorded(peer->side());
  if (const auto running = peer->ours(); abort && running != nullptr) runtime().abort(running.get(), "its communicator of NCCL was aborted");
  const auto end = [peer] { peer->take(); };
  if (!last) {
    const std::lock_guard lock(mutex_);
    ending_[peer->name()].emplace_back(end);
    return;
  }
  end();
  std::vector<std::thread> others;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = ending_.find(peer->name()); peer->meets() && found != ending_.end()) {
      others = std::move(found->second);
      ending_.erase(found);
    }
  }
  for (auto& other : others) other.join();
}

// The driver is loaded by now, or there is none.
int current_device() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  int device = 0;
  auto* const ask = driver == nullptr ? nullptr : reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuCtxGetDevice"));
  return ask != nullptr && ask(&device) == 0 ? device : 0;
}

Communicators& communicators() {
  static auto* const all = new Communicators;  // threads may outlast static objects
  return *all;
}

}  // namespace p2plab::shim
