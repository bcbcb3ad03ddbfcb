// SPDX-License-Identifier: Apache-2.0
// The plugin: NCCL_TUNER_PLUGIN=p2plab makes NCCL load libnccl-tuner-p2plab.so and ask it before each collective. It reads the file that
// P2PLAB_TUNER_FILE names, else NCCL_TUNER_CONFIG_FILE, NCCLX_TUNER_CONFIG_FILE or ./nccl_tuner.conf. NCCL fails a collective when its tuner returns
// an error, so nothing here does; what no rule covers is NCCL's own choice.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "nccl_tuner/choices.h"
#include "nccl_tuner/interface.h"
#include "nccl_tuner/settings.h"

namespace p2plab::nccl_tuner {

namespace {

constexpr const char* plugin_name = "p2plab";
constexpr std::streamoff longest_file = 4 << 20;

struct Context {
  Logger logger = nullptr;
  std::array<Choices, 5> by_function;
};

// What NCCL asks about.
struct Question {
  int function = 0;
  std::int64_t bytes = 0;
  int operations = 0;
  int registered = -1;  // -1: not told
};

template <class... Arguments>
void log(const Context& context, LogLevel level, const char* format, Arguments... arguments) {
  if (context.logger == nullptr) return;
  context.logger(level, tuning_log, __FILE__, __LINE__, format, arguments...);
}

// Any variable goes before the settings file.
const char* path_of_file(const PluginSettings& settings) {
  for (const char* variable : {"P2PLAB_TUNER_FILE", "NCCL_TUNER_CONFIG_FILE", "NCCLX_TUNER_CONFIG_FILE"}) {
    const char* path = std::getenv(variable);
    if (path != nullptr && *path != '\0') return path;
  }
  const char* path = settings.get("P2PLAB_TUNER_FILE");
  return path != nullptr && *path != '\0' ? path : "nccl_tuner.conf";
}

void load(Context& context, std::size_t ranks, std::size_t nodes) {
  const auto& settings = PluginSettings::of_process();
  if (!settings.trouble().empty()) log(context, LogLevel::warn, "TUNER/p2plab: %s", settings.trouble().c_str());
  const auto* path = path_of_file(settings);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = file ? static_cast<std::streamoff>(file.tellg()) : std::streamoff{-1};
  if (size < 0 || size > longest_file) {
    log(context, LogLevel::warn, "TUNER/p2plab: %s cannot be read or is longer than 4 MiB: every choice is NCCL's own", path);
    return;
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  file.read(text.data(), size);
  text.resize(static_cast<std::size_t>(file.gcount()));
  const auto [rules, mistakes] = read_rules(text);
  for (const auto& mistake : mistakes) log(context, LogLevel::warn, "TUNER/p2plab: %s: %s", path, mistake.c_str());
  const auto local = static_cast<std::int64_t>(nodes > 0 ? ranks / nodes : ranks);
  const auto members = std::max<std::int64_t>(static_cast<std::int64_t>(ranks), 1);
  int active = 0;
  for (std::size_t f = 0; f < context.by_function.size(); ++f) {
    std::vector<Rule> mine;
    for (const auto& rule : rules) {
      const bool fits =
          rule.nodes.holds(static_cast<std::int64_t>(nodes)) && rule.ranks.holds(static_cast<std::int64_t>(ranks)) && rule.local_ranks.holds(local);
      if (fits && rule.function == static_cast<int>(f)) mine.push_back(rule);
    }
    active += static_cast<int>(mine.size());
    context.by_function[f] = Choices(mine, members);
  }
  log(context, LogLevel::info, "TUNER/p2plab: %d of %d rules of %s are for %d ranks on %d nodes", active, static_cast<int>(rules.size()), path,
      static_cast<int>(ranks), static_cast<int>(nodes));
}

NcclResult start(std::size_t ranks, std::size_t nodes, Logger logger, void** out) noexcept {
  if (out == nullptr) return success;
  *out = nullptr;
  try {
    auto context = std::make_unique<Context>();
    context->logger = logger;
    load(*context, ranks, nodes);
    *out = context.release();
  } catch (...) {
    // Out of memory: without a context every choice is NCCL's own.
  }
  return success;
}

NcclResult stop(void* context) noexcept {
  delete static_cast<Context*>(context);
  return success;
}

// The first rule that fits what is asked.
Choices::Entry* find(const Context& context, const Question& asked) {
  if (asked.function < 0 || asked.function >= static_cast<int>(context.by_function.size())) return nullptr;
  return context.by_function[static_cast<std::size_t>(asked.function)].find(asked.bytes, asked.operations, asked.registered);
}

void tell(const Context& context, Choices::Entry& active, const Question& asked, bool possible) {
  auto& told = possible ? active.told : active.told_impossible;
  if (told.load(std::memory_order_relaxed) || told.exchange(true)) return;
  const auto& rule = active.rule;
  log(context, LogLevel::info,
      possible ? "TUNER/p2plab: rule %d: function %d, %lld bytes -> %s %s, channels %d (said once)"
               : "TUNER/p2plab: rule %d: function %d, %lld bytes: NCCL has ruled out %s %s (channels %d); the choice is its own (said once)",
      rule.line, asked.function, static_cast<long long>(asked.bytes), algorithm_name(rule.algorithm), protocol_name(rule.protocol), rule.channels);
}

NcclResult choose(void* opaque, const Question& asked, float** table, int algorithms, int protocols, int* channels) noexcept {
  auto* context = static_cast<Context*>(opaque);
  if (context == nullptr || table == nullptr) return success;
  auto* active = find(*context, asked);
  if (active == nullptr) return success;
  const auto& rule = active->rule;
  auto* costs = reinterpret_cast<float*>(table);
  const bool inside = rule.algorithm < algorithms && rule.protocol < protocols;
  auto* cost = inside ? costs + static_cast<std::ptrdiff_t>(rule.algorithm) * protocols + rule.protocol : nullptr;
  const bool possible = cost != nullptr && *cost != impossible;
  tell(*context, *active, asked, possible);
  if (!possible) return success;
  *cost = 0;
  if (rule.channels > 0 && channels != nullptr) *channels = rule.channels;
  return success;
}

NcclResult choose_v2(void* opaque, int function, std::size_t bytes, int collnet, int nvls, int operations, int* algorithm, int* protocol,
                     int* channels) noexcept {
  auto* context = static_cast<Context*>(opaque);
  if (context == nullptr || algorithm == nullptr || protocol == nullptr) return success;
  const Question asked{function, static_cast<std::int64_t>(bytes), operations, -1};
  auto* active = find(*context, asked);
  if (active == nullptr) return success;
  const auto& rule = active->rule;
  constexpr int first_collnet = 2;
  constexpr int first_nvls = 4;
  constexpr int pat = 6;  // unknown to that interface's NCCL
  const bool possible = rule.algorithm < first_collnet || (rule.algorithm < first_nvls && collnet != 0) ||
                        (rule.algorithm >= first_nvls && rule.algorithm < pat && nvls != 0);
  tell(*context, *active, asked, possible);
  if (!possible) return success;
  *algorithm = rule.algorithm;
  *protocol = rule.protocol;
  if (rule.channels > 0 && channels != nullptr) *channels = rule.channels;
  return success;
}

NcclResult choose_v3(void* context, int function, std::size_t bytes, int operations, float** table, int algorithms, int protocols,
                     int* channels) noexcept {
  return choose(context, {function, static_cast<std::int64_t>(bytes), operations, -1}, table, algorithms, protocols, channels);
}

NcclResult choose_v4(void* context, int function, std::size_t bytes, int operations, float** table, int algorithms, int protocols, int registered,
                     int* channels) noexcept {
  return choose(context, {function, static_cast<std::int64_t>(bytes), operations, registered}, table, algorithms, protocols, channels);
}

NcclResult start_v5(void** context, std::uint64_t /*communicator*/, std::size_t ranks, std::size_t nodes, Logger logger, void* /*domains*/,
                    void* /*constants*/) noexcept {
  return start(ranks, nodes, logger, context);
}

NcclResult chunk_size(void* opaque, int function, std::size_t bytes, int algorithm, int protocol, int /*channels*/, std::size_t* chunk) noexcept {
  auto* context = static_cast<Context*>(opaque);
  if (context == nullptr || chunk == nullptr || function < 0 || function >= static_cast<int>(context->by_function.size())) return success;
  const auto* found = context->by_function[static_cast<std::size_t>(function)].find_chunk(static_cast<std::int64_t>(bytes), algorithm, protocol);
  if (found != nullptr) *chunk = static_cast<std::size_t>(found->rule.chunk);
  return success;
}

}  // namespace

// What NCCL looks up, the newest that it knows first.
extern "C" {
[[gnu::visibility("default")]] extern const TunerV2 ncclTunerPlugin_v2;
[[gnu::visibility("default")]] extern const TunerV3 ncclTunerPlugin_v3;
[[gnu::visibility("default")]] extern const TunerV4 ncclTunerPlugin_v4;
[[gnu::visibility("default")]] extern const TunerV5 ncclTunerPlugin_v5;
[[gnu::visibility("default")]] extern const TunerV6 ncclTunerPlugin_v6;
[[gnu::visibility("default")]] extern const TunerV6 ncclTunerPlugin_v7;
const TunerV2 ncclTunerPlugin_v2{plugin_name, start, choose_v2, stop};
const TunerV3 ncclTunerPlugin_v3{plugin_name, start, choose_v3, stop};
const TunerV4 ncclTunerPlugin_v4{plugin_name, start, choose_v4, stop};
const TunerV5 ncclTunerPlugin_v5{plugin_name, start_v5, choose_v4, stop};
const TunerV6 ncclTunerPlugin_v6{plugin_name, start_v5, choose_v4, stop, chunk_size};
const TunerV6 ncclTunerPlugin_v7{plugin_name, start_v5, choose_v4, stop, chunk_size};
}

}  // namespace p2plab::nccl_tuner
