// SPDX-License-Identifier: Apache-2.0
// Times and checks collectives on this machine's GPUs, one CSV line each:
//   p2plab_gpu_bench time COLLECTIVE[:TYPE] RANKS FROM TO SPEC...   sum, of float16 or that type
//       SPEC is planner[+key=value]:protocol:parts:slice:shape, planner:tuned, or nccl;
//       shape is letters with numbers: t threads, b blocks, p threads per processor, k batch; i interpret, a no programmatic launch, u bulk copies, o
//       ordinary ones, s staged buffers. RANKS may be "4pairs": NVLink only inside pairs, between these host memory
//   p2plab_gpu_bench replay ...                              the same with 1000 samples: 100,000 calls up to 1 MiB
//   p2plab_gpu_bench check RANKS [elements=N,N...] [:SPEC...]  every planner, collective, protocol, type and odd size: prints what is wrong; or only
//                                                            these numbers of elements, of float16, and these specs, as above but for the planner
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "p2plab/run/gpu_tuning.h"
#include "p2plab/schedule/verify.h"

namespace {

using namespace p2plab;

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) parts.push_back(part);
  return parts;
}

// A way to run a collective.
struct Spec {
  std::string name;
  std::string planner;
  Parameters parameters;
  Tuning tuning;
  KernelShape shape;
  std::string executor = "cuda";
  bool tuned = false;
  bool staged = false;

  explicit Spec(const std::string& text) : name(text) {
    if (text == "nccl") {
      planner = "one_shot";
      executor = "nccl";
      return;
    }
    const auto fields = split(text, ':');
    const auto words = split(fields[0], '+');
    planner = words[0];
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto pair = split(words[i], '=');
      parameters[pair[0]] = pair[1];
    }
    tuned = fields.size() > 1 && fields[1] == "tuned";
    if (fields.size() > 1 && !tuned) tuning.protocol = *protocol(fields[1]);
    if (fields.size() > 2) tuning.blocks_per_lane = std::atoi(fields[2].c_str());
    if (fields.size() > 3) tuning.slice = Bytes{std::atoll(fields[3].c_str())};
    if (fields.size() > 4) read_shape(fields[4]);
  }

  void read_shape(const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto number = static_cast<std::uint32_t>(std::atoi(text.c_str() + i + 1));
      if (text[i] == 't') shape.threads = number;
      if (text[i] == 'b') shape.blocks = number;
      if (text[i] == 'p') shape.threads_per_processor = number;
      if (text[i] == 'k') shape.batch = number;
      if (text[i] == 'i') shape.interpret = true;
      if (text[i] == 'u' || text[i] == 'o') shape.bulk = text[i] == 'u';
      if (text[i] == 'a') shape.programmatic = false;
      if (text[i] == 's') staged = true;
    }
  }
};

// "4": GPUs behind NVSwitch; "4pairs": NVLink only inside pairs, between these host memory.
Topology machine(const std::string& text) {
  const int gpus = std::atoi(text.c_str());
  auto whole = *resolve_topology(fmt::format("hgx-h200:gpus={},pcie=on", gpus));
  if (text.find("pairs") == std::string::npos) return *resolve_topology(fmt::format("hgx-h200:gpus={}", gpus));
  Mask mask;
  for (int a = 0; a < gpus; ++a) {
    for (int b = a + 1; b < gpus; ++b) {
      if (a / 2 != b / 2) mask.links.push_back({.from = fmt::format("gpu{}", a), .to = fmt::format("gpu{}", b)});
    }
  }
  auto masked = apply_mask(whole, mask);
  if (!masked) fmt::print(stderr, "{}\n", describe(masked.error()));
  return *std::move(masked);
}

struct Case {
  Collective collective;
  Payload payload;
  bool in_place = false;
  RunOptions options;
};

// Executors by name, each made once: they keep what they have compiled.
class Executors {
 public:
  Result<const Executor*> get(const std::string& name) {
    auto& executor = made_[name];
    const auto entry = all_.get("executor", name);
    if (!entry) return entry.error();
    if (!executor) executor = (*entry)->make();
    return executor.get();
  }

 private:
  Registry<Executor> all_ = builtin_executors();
  std::map<std::string, std::unique_ptr<Executor>> made_;
};

Result<Measurement> run(Executors& executors, const Topology& topology, const Spec& spec, const Case& what) {
  const auto planners = builtin_planners();
  const auto planner = planners.get("algorithm", spec.planner);
  if (!planner) return planner.error();
  PlanContext context{.payload = what.payload, .in_place = what.in_place, .parameters = spec.parameters};
  auto plan = (*planner)->make()->plan(topology, what.collective, context);
  if (!plan) return plan.error();
  const auto proof = verify(topology, plan->schedule, {.in_place = what.in_place});
  if (!proof) return proof.error();
  const auto tuning_of = spec.staged ? staged_gpu_tuning : gpu_tuning;
  const auto tuning = spec.tuned ? tuning_of(plan->schedule, *proof, what.payload) : spec.tuning;
  const auto program = lower(plan->schedule, *proof, what.payload, tuning, PeerAccess(topology));
  if (!program) return program.error();
  const auto executor = executors.get(spec.executor);
  if (!executor) return executor.error();
  auto options = what.options;
  options.shape = spec.shape;
  options.staged = spec.staged;
  return (*executor)->run({&topology, &*plan, &*program}, options);
}

int time_specs(const std::vector<std::string>& arguments, int repeats) {
  const auto words = split(arguments[1], ':');
  const auto kind = *collective_kind(words[0]);
  const auto type = words.size() > 1 ? *data_type(words[1]) : DataType::float16;
  const int ranks = std::atoi(arguments[2].c_str());
  const auto topology = machine(arguments[2]);
  Executors executors;
  for (auto size = std::atoll(arguments[3].c_str()); size <= std::atoll(arguments[4].c_str()); size *= 2) {
    for (std::size_t f = 5; f < arguments.size(); ++f) {
      const Spec spec(arguments[f]);
      const Case what{make_collective(kind, ranks), {.elements = size / size_of(type), .type = type}, false, {.warmup = 2, .repeats = repeats}};
      const auto result = run(executors, topology, spec, what);
      if (!result) {
        fmt::print("{},{},{},{},-,-,{}\n", arguments[1], ranks, size, spec.name, describe(result.error()));
        continue;
      }
      const auto time = *result->median();
      const auto least = *std::ranges::min_element(result->samples);
      fmt::print("{},{},{},{},{:.2f},{:.2f},{:.1f},{},{}\n", arguments[1], ranks, size, spec.name, microseconds(time), microseconds(least),
                 static_cast<double>(size) / time.count() * 1e-9 * bus_factor(kind, ranks),
                 result->check->passed ? "right" : "WRONG " + result->check->first_wrong, result->notes.front());
      std::fflush(stdout);
    }
  }
  return 0;
}

// One line per failure, a count at the end.
class Checker {
 public:
  Checker(const std::string& ranks, std::vector<std::int64_t> elements, std::vector<std::string> specs)
      : elements_(std::move(elements)),
        specs_(std::move(specs)),
        ranks_(std::atoi(ranks.c_str())),
        topology_(*resolve_topology("hgx-h200:gpus=" + ranks)) {}

  int all() {
    for (const auto kind : all_collective_kinds()) {
      const auto planners = builtin_planners();
      for (const auto& entry : planners.entries()) {
        for (const auto& spec : specs_) {
          for (const auto elements : elements_.empty() ? usual() : elements_)
            one(kind, entry.name + spec, elements, DataType::float16, ReduceOp::sum, false);
          if (elements_.empty()) one(kind, entry.name + spec, 4099, DataType::float32, ReduceOp::sum, true);
        }
      }
      say(to_string(kind));
    }
    if (!elements_.empty()) return wrong_ == 0 ? 0 : 1;
    for (const auto type : all_data_types()) {
      for (const auto op : all_reduce_ops()) {
        for (const auto* spec : {"two_shot:simple:2:4096", "two_shot:ll", "one_shot:lamport", "ring:lamport"})
          one(CollectiveKind::all_reduce, spec, 5'005, type, op, false);  // of 2, 3 and 4 ranks some begin at odd elements
      }
    }
    say("all types and operations");
    return wrong_ == 0 ? 0 : 1;
  }

 private:
  static std::vector<std::int64_t> usual() { return {0, 1, 77, 1024, 50'001, 1'000'003}; }
  void say(std::string_view done) const {
    fmt::print("check {} ranks, to {}: {} right, {} wrong, {} not planned\n", ranks_, done, right_, wrong_, unplanned_);
    std::fflush(stdout);
  }
  void one(CollectiveKind kind, const std::string& spec, std::int64_t elements, DataType type, ReduceOp op, bool in_place) {
    // Code made for a program depends little on its size, and takes time to make.
    Spec shaped(spec);
    shaped.shape.interpret = elements <= 1;
    const Case what{
        make_collective(kind, ranks_, Rank{ranks_ - 1}), {.elements = elements, .type = type, .op = op}, in_place, {.warmup = 0, .repeats = 0}};
    const auto result = run(executors_, topology_, shaped, what);
    if (result && result->check->passed) {
      ++right_;
      return;
    }
    if (!result && result.error().code == ErrorCode::unsupported) {
      ++unplanned_;
      return;
    }
    ++wrong_;
    fmt::print("WRONG {} {} {} {} {}{}: {}\n", to_string(kind), spec, elements, to_string(type), to_string(op), in_place ? " in place" : "",
               result ? result->check->first_wrong : describe(result.error()));
    std::fflush(stdout);
  }

  std::vector<std::int64_t> elements_;
  std::vector<std::string> specs_;
  int ranks_;
  Topology topology_;
  Executors executors_;
  int right_ = 0;
  int wrong_ = 0;
  int unplanned_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() >= 6 && arguments[0] == "time") return time_specs(arguments, 7);
  if (arguments.size() >= 6 && arguments[0] == "replay") return time_specs(arguments, 1000);
  if (arguments.size() >= 2 && arguments[0] == "check") {
    std::vector<std::int64_t> elements;
    std::vector<std::string> specs;
    for (std::size_t a = 2; a < arguments.size(); ++a) {
      if (!arguments[a].starts_with("elements=")) {
        specs.push_back(arguments[a]);
        continue;
      }
      for (const auto& number : split(arguments[a].substr(9), ',')) elements.push_back(std::atoll(number.c_str()));
    }
    if (specs.empty()) specs = {":simple", ":simple:3:4096", ":simple:2:65536:u", ":copy", ":ll", ":lamport", ":ll128", ":tuned"};
    return Checker{arguments[1], std::move(elements), std::move(specs)}.all();
  }
  fmt::print(stderr, "usage: p2plab_gpu_bench time|replay COLLECTIVE RANKS FROM TO SPEC... | check RANKS [elements=N,N...] [:SPEC...]\n");
  return 2;
}
