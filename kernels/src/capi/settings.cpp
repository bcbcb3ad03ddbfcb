// SPDX-License-Identifier: Apache-2.0
#include "capi/settings.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "capi/recording.h"
#include "lowered/wait_limit.h"
#include "p2plab/base/quantity.h"
#include "p2plab/c/beside_nccl.h"
#include "p2plab/detail/settings.h"

namespace p2plab::capi {

namespace {

using runtime::Call;

constexpr const char* usual = "all_reduce:bfloat16:sum:1KiB-1MiB,all_reduce:float16:sum:1KiB-1MiB,all_reduce:float32:sum:1KiB-1MiB";

std::vector<std::string> parted(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(at, from), text.size());
    if (end > from) parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

// A field that was set, else what the environment or the settings file says, else nothing.
std::optional<std::string> given(const char* field, const char* variable) {
  if (field != nullptr) return std::string{field};
  if (const char* value = setting(variable); value != nullptr) return std::string{value};
  return std::nullopt;
}

Error in(const std::string& item, const std::string& why) {
  return Error{ErrorCode::invalid_input,
               fmt::format("'{}' in what is to be prepared: {}", item, why),
               std::nullopt,
               {"write it as all_reduce:bfloat16:sum:1KiB-1MiB or all_gather:64KiB"}};
}

Result<std::vector<Call>> read_item(const std::string& item) {
  const auto words = parted(item, ':');
  if (words.size() < 2) return in(item, "a collective and a size are needed");
  const auto kind = collective_kind(words.front());
  if (!kind) return in(item, kind.error().message);
  Call call{.kind = *kind};
  // What only moves bytes may name a type, which makes no difference.
  const bool good = reduces(*kind) ? words.size() == 4 : words.size() <= 3;
  if (!good) return in(item, reduces(*kind) ? "it needs a type, an operation and a size" : "it needs a size, and at most a type before it");
  if (*kind == CollectiveKind::send_receive) return in(item, "which ranks send and receive is not known beforehand");
  if (words.size() > 2) {
    const auto type = data_type(words[1]);
    if (!type) return in(item, type.error().message);
    if (reduces(*kind)) call.type = *type;
  }
  if (reduces(*kind)) {
    const auto op = reduce_op(words[2]);
    if (!op) return in(item, op.error().message);
    call.op = *op;
  }
  const auto range = parted(words.back(), '-');
  const auto& sizes = words.back();
  if (range.empty() || range.size() > 2 || sizes.front() == '-' || sizes.back() == '-') return in(item, "a size or a range of sizes is needed");
  const auto first = parse_bytes(range.front());
  const auto last = parse_bytes(range.back());
  if (!first || !last) return in(item, (first ? last : first).error().message);
  if (first->count() < 16 || *last < *first || last->count() > (std::int64_t{1} << 32))
    return in(item, "sizes go from 16 B to 4 GiB, the smaller first");
  std::vector<Call> calls;
  for (auto size = first->count(); size <= last->count(); size *= 2) {
    call.count = size / size_of(call.type);
    calls.push_back(call);
  }
  return calls;
}

Result<Seconds> read_watch() {
  constexpr Seconds usual_watch{0.5};
  constexpr double longest = 3600;
  const char* const text = setting("P2PLAB_WATCH");
  if (text == nullptr) return usual_watch;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (end != text && *end == '\0' && seconds >= 0 && seconds <= longest) return Seconds{seconds};
  return Error{ErrorCode::invalid_input, fmt::format("P2PLAB_WATCH='{}': links are looked at every 0 (never) to 3600 s", text)};
}

Status read_order(const p2plab_config& config, Settings& settings) {
  const auto order = given(config.order, "P2PLAB_ORDER").value_or("any");
  if (order == "any") return {};
  if (order != "fixed") return unknown_name("order", order, {"any", "fixed"});
  auto& options = settings.options;
  if (options.backend == runtime::Backend::nccl)
    return Error{ErrorCode::invalid_input, "NCCL's order of sums hangs on the size: not with order fixed"};
  settings.fixed_order = true;
  options.nccl = false;
  options.callers_nccl.reset();
  return {};
}

// None where NCCL may be loaded: then we have one of our own.
Result<std::optional<runtime::CallersNccl>> callers_nccl(const p2plab_config& config) {
  const auto* its = config.nccl;
  if (its == nullptr || config.load_nccl != 0) return std::optional<runtime::CallersNccl>{};
  const bool whole = its->comm != nullptr && its->group_start != nullptr && its->group_end != nullptr && its->send != nullptr &&
                     its->receive != nullptr && its->error_string != nullptr && its->unique_id != nullptr && its->init_rank != nullptr &&
                     its->destroy != nullptr && its->abort != nullptr;
  if (!whole) return Error{ErrorCode::invalid_input, "the caller's NCCL lacks its communicator or a function"};
  return std::optional{runtime::CallersNccl{.communicator = its->comm,
                                            .group_start = its->group_start,
                                            .group_end = its->group_end,
                                            .send = its->send,
                                            .receive = its->receive,
                                            .error_string = its->error_string,
                                            .unique_id = its->unique_id,
                                            .init_rank = its->init_rank,
                                            .destroy = its->destroy,
                                            .abort = its->abort}};
}

}  // namespace

Result<std::vector<Call>> read_prepare(const std::string& text) {
  std::vector<Call> all;
  for (const auto& item : parted(text, ',')) {
    auto calls = read_item(item);
    if (!calls) return std::move(calls).error();
    all.insert(all.end(), calls->begin(), calls->end());
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  constexpr std::size_t most = 256;
  if (all.size() > most) return Error{ErrorCode::invalid_input, fmt::format("{} programs are to be prepared; at most {} can be", all.size(), most)};
  return all;
}

// A struct of an earlier version is shorter: what it lacks has its usual value.
Result<Settings> read_settings(const p2plab_config* config) {
  p2plab_config all = P2PLAB_CONFIG;
  if (config != nullptr) {
    if (config->size < offsetof(p2plab_config, say_user) + sizeof(void*) || config->size > 4096)
      return Error{ErrorCode::invalid_input, "the config's size is not that of p2plab_config: start with P2PLAB_CONFIG"};
    std::memcpy(&all, config, std::min(config->size, sizeof all));
  }
  if (const auto& file = settings_of_process(); !file) return file.error();
  Settings settings;
  auto& options = settings.options;
  if (const auto name = given(all.backend, "P2PLAB_BACKEND")) {
    const auto backend = runtime::backend(*name);
    if (!backend) return backend.error();
    options.backend = *backend;
  }
  auto calls = read_prepare(given(all.prepare, "P2PLAB_PREPARE").value_or(usual));
  if (!calls) {
    auto error = std::move(calls).error();
    if (all.prepare == nullptr) error.where = setting_place("P2PLAB_PREPARE");
    return error;
  }
  options.prepare = *std::move(calls);
  settings.tuned = parted(given(all.tuned, "P2PLAB_TUNED").value_or(""), ':');
  const auto is_time = [](double seconds) { return std::isfinite(seconds) && seconds >= 0; };
  if (!is_time(all.timeout_seconds) || !is_time(all.join_seconds) || all.concurrent < 0 || all.concurrent > 64)
    return Error{ErrorCode::invalid_input, "timeout_seconds and join_seconds must be 0 or more, concurrent from 0 to 64"};
  if (all.join_seconds > 0) settings.gathering = Seconds{all.join_seconds};
  if (all.timeout_seconds > 0) options.timeout = Seconds{all.timeout_seconds};
  const auto deadline = wait_limit(Seconds{all.deadline_seconds});
  if (!deadline) return deadline.error();
  options.deadline = *deadline;
  options.at_once = std::max(1, all.concurrent);
  const auto watch = read_watch();
  if (!watch) return watch.error();
  options.watch = *watch;
  options.recorded = CallRecording::wanted();
  options.steps = CallRecording::steps_wanted();
  options.only_ready = all.serve_ready_only != 0;
  options.nccl = all.load_nccl != 0;
  options.start_later = all.start_later != 0;
  const auto callers = callers_nccl(all);
  if (!callers) return callers.error();
  options.callers_nccl = *callers;
  if (all.most_blocks < 0) return Error{ErrorCode::invalid_input, "most_blocks must be 0 or more"};
  options.most_blocks = all.most_blocks;
  if (auto good = read_order(all, settings); !good) return std::move(good).error();
  if (const auto say = all.say; say != nullptr) {
    options.say = [say, user = all.say_user](const std::string& text) { say(text.c_str(), user); };
  } else {
    options.say = [](const std::string& text) { fmt::print(stderr, "p2plab: {}\n", text); };
  }
  return settings;
}

}  // namespace p2plab::capi
