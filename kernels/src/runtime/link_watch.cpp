// SPDX-License-Identifier: Apache-2.0
#include "runtime/link_watch.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace p2plab::runtime {

namespace {

constexpr unsigned most_links = 36;  // of any GPU that NVML knows
constexpr int gpu_is_lost = 15;      // NVML_ERROR_GPU_IS_LOST
constexpr int reset_required = 16;   // NVML_ERROR_RESET_REQUIRED

bool is_gone(int code) { return code == gpu_is_lost || code == reset_required; }

}  // namespace

// Never freed: the thread may outlast static objects.
LinkWatch& LinkWatch::of_process() {
  static auto* const all = new LinkWatch;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
  return *all;
}

// What links led to is asked while they work. By the thread: NVML may hang in its first answers, too.
void LinkWatch::open(Lock& lock) {
  if (opened_) return;
  lock.unlock();
  auto nvml = load_();
  std::map<std::string, Gpu> gpus;
  const bool there = nvml && nvml->init() == 0;
  if (there) gpus = gpus_of(*nvml);
  lock.lock();
  if (std::exchange(opened_, true) || !there) return;
  nvml_ = *std::move(nvml);
  gpus_ = std::move(gpus);
}

std::map<std::string, LinkWatch::Gpu> LinkWatch::gpus_of(const NvmlFunctions& nvml) {
  std::map<std::string, Gpu> gpus;
  unsigned count = 0;
  if (nvml.device_count(&count) != 0) count = 0;
  for (unsigned d = 0; d < count; ++d) {
    Gpu gpu;
    NvmlFunctions::PciInfo place{};
    if (nvml.device(d, &gpu.device) != 0 || nvml.pci(gpu.device, &place) != 0) continue;
    for (unsigned link = 0; link < most_links; ++link) {
      unsigned active = 0;
      if (nvml.link_state(gpu.device, link, &active) != 0) break;
      NvmlFunctions::PciInfo end{};
      const bool known = active != 0 && nvml.link_remote(gpu.device, link, &end) == 0;
      gpu.first.to.push_back(known ? short_bus_id(end.bus_id.data()) : "");
      gpu.first.up.push_back(active != 0);
    }
    gpu.up = gpu.first.up;
    gpus[short_bus_id(place.bus_id.data())] = std::move(gpu);
  }
  // A place that is no GPU's is a switch's.
  for (auto& [place, gpu] : gpus) {
    for (auto& to : gpu.first.to) {
      if (!gpus.contains(to)) to.clear();
    }
  }
  return gpus;
}

void LinkWatch::ask(Gpu& gpu) const {
  NvmlFunctions::PciInfo info{};
  if (is_gone(nvml_->pci(gpu.device, &info))) gpu.there = false;
  for (unsigned link = 0; gpu.there && link < gpu.up.size(); ++link) {
    unsigned active = 0;
    const int code = nvml_->link_state(gpu.device, link, &active);
    if (is_gone(code)) gpu.there = false;
    if (code == 0) gpu.up[link] = active != 0;
  }
}

// Each question is one to the driver: only those that somebody wants to know. It may not answer at all, so nobody else has to wait for it.
void LinkWatch::read(Lock& lock, const std::set<std::string>& places) {
  std::map<std::string, Gpu> asked;
  for (const auto& place : places) {
    if (const auto found = gpus_.find(place); found != gpus_.end()) asked.insert(*found);
  }
  lock.unlock();
  for (auto& [place, gpu] : asked) ask(gpu);
  lock.lock();
  for (auto& [place, gpu] : asked) {
    auto& known = gpus_.at(place);
    known.there = known.there && gpu.there;
    known.up = std::move(gpu.up);
  }
}

Loss LinkWatch::lost_of(const std::vector<std::string>& places) const {
  Loss loss;
  // Of `place`, to the GPU `to` or to switches: how many links there were, and how many are left.
  const auto links = [&](const std::string& place, const std::string& to) {
    std::pair<int, int> count{0, 0};
    const auto& gpu = gpus_.at(place);
    for (std::size_t link = 0; link < gpu.up.size(); ++link) {
      if (!gpu.first.up[link] || gpu.first.to[link] != to) continue;
      ++count.first;
      count.second += gpu.up[link] ? 1 : 0;
    }
    return count;
  };
  std::vector<std::string> known;
  for (const auto& place : places) {
    const auto found = gpus_.find(place);
    if (found == gpus_.end() || std::ranges::find(known, place) != known.end()) continue;
    known.push_back(place);
    if (!found->second.there) loss.gpus.push_back(place);
  }
  std::erase_if(known, [&](const std::string& place) { return !gpus_.at(place).there; });
  std::ranges::sort(known);
  for (std::size_t a = 0; a < known.size(); ++a) {
    const auto to_switches = links(known[a], "");
    if (to_switches.second > 0 && to_switches.second < to_switches.first) loss.weakened.emplace_back(known[a], "");
    for (std::size_t b = a + 1; b < known.size(); ++b) {
      const auto direct = links(known[a], known[b]);
      const auto back = links(known[b], known[a]);
      const auto others = links(known[b], "");
      const bool switched = to_switches.first > 0 && others.first > 0;
      const bool no_direct = direct.first > 0 && (direct.second == 0 || back.second == 0);
      const bool no_switched = switched && (to_switches.second == 0 || others.second == 0);
      if (no_direct || no_switched)
        loss.pairs.emplace_back(known[a], known[b]);
      else if (direct.second < direct.first || back.second < back.first)
        loss.weakened.emplace_back(known[a], known[b]);
    }
  }
  return loss;
}

Loss LinkWatch::look(const std::vector<std::string>& gpus) {
  Lock lock(mutex_);
  if (process_ != 0 && process_ != getpid()) return {};
  if (!thread_.joinable()) begin();
  wanted_.insert(gpus.begin(), gpus.end());
  const auto mine = ++asked_;
  changed_.notify_all();
  const bool seen = changed_.wait_for(lock, timeout(), [&] { return seen_ >= mine; });
  if (seen && !nvml_) return {};
  auto loss = lost_of(gpus);
  loss.unanswered = !seen;
  return loss;
}

std::shared_ptr<void> LinkWatch::add(const std::vector<std::string>& gpus, Seconds every, Told told) {
  if (every == Seconds{0}) return nullptr;
  auto known = look(gpus);
  Lock lock(mutex_);
  if (process_ != getpid() || (opened_ && !nvml_)) return nullptr;
  const int number = next_++;
  known.unanswered = false;
  askers_[number] = {gpus, std::move(told), std::move(known)};
  every_ = every_ == Seconds{0} ? every : std::min(every_, every);
  if (!thread_.joinable()) begin();
  changed_.notify_all();
  return {static_cast<void*>(this), [number](void* watch) {
            auto& all = *static_cast<LinkWatch*>(watch);
            if (all.process_ != getpid()) return;
            Lock last(all.mutex_);
            all.askers_.erase(number);
            if (all.askers_.empty()) all.end(std::move(last));
          }};
}

void LinkWatch::begin() {
  // NVML's own static objects go with the process.
  static const int ending = std::atexit([] {
    auto& watch = of_process();
    if (watch.process_ == getpid()) watch.end(Lock(watch.mutex_));
  });
  static_cast<void>(ending);
  process_ = getpid();
  over_ = std::make_shared<bool>(false);
  thread_ = std::jthread([this, over = over_](const std::stop_token& stop) {
    work(stop);
    const std::lock_guard last(mutex_);
    *over = true;
    changed_.notify_all();
  });
}

// Waits for the thread, but not for an NVML that does not answer.
void LinkWatch::end(Lock lock) {
  auto ended = std::exchange(thread_, {});
  if (!ended.joinable()) return;
  ended.request_stop();
  changed_.notify_all();
  if (!changed_.wait_for(lock, timeout(), [over = over_] { return *over; })) ended.detach();
  lock.unlock();
}

void LinkWatch::work(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  for (const int of_this_thread : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, of_this_thread);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Lock lock(mutex_);
  open(lock);
  while (true) {
    const auto asked_now = [&] { return asked_ != seen_; };
    if (askers_.empty())
      changed_.wait(lock, stop, [&] { return asked_now() || !askers_.empty(); });
    else
      changed_.wait_for(lock, stop, std::chrono::duration<double>(every_.count()), asked_now);
    // Whoever asked before the end is still answered.
    if (stop.stop_requested() && asked_ == seen_) return;
    const auto asked = asked_;
    auto wanted = std::exchange(wanted_, {});
    for (const auto& [number, asker] : askers_) wanted.insert(asker.gpus.begin(), asker.gpus.end());
    read(lock, wanted);
    // A thread that NVML held up for long comes back beside the next one.
    seen_ = std::max(seen_, asked);
    changed_.notify_all();
    if (stop.stop_requested()) continue;
    for (auto& [number, asker] : askers_) {
      auto now = lost_of(asker.gpus);
      if (now == asker.known) continue;
      asker.known = std::move(now);
      if (!asker.known.empty()) asker.told(asker.known);
    }
  }
}

}  // namespace p2plab::runtime
