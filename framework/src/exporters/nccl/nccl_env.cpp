// SPDX-License-Identifier: Apache-2.0
// Variables of NCCL and of engines, each with the reason, as NCCL's own configuration file: NAME=value, and comments that begin their
// line.
#include <algorithm>

#include <fmt/format.h>

#include "exporters/nccl/choices.h"
#include "exporters/nccl/rings.h"
#include "p2plab/base/quantity.h"
#include "p2plab/base/registry.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

std::string upper(std::string text) {
  for (auto& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

// Collects lines. In NCCL's file whatever stands before '=' is a name, in a comment that does not begin its line too.
class EnvText {
 public:
  void say(const std::string& comment) { text_ += "# " + comment + "\n"; }
  void set(const std::string& name, const std::string& value, const std::string& why) {
    say(why);
    text_ += name + "=" + value + "\n";
  }
  std::string take() && { return std::move(text_); }

 private:
  std::string text_;
};

void add_choice(EnvText& env, const NcclChoice& choice, const ExportJob& job) {
  const auto plan = fmt::format("The {} plan", job.plan->planner);
  env.set("NCCL_ALGO", choice.algorithm == "ring" ? "Ring" : "Tree", fmt::format("{} is this algorithm, at every size that it serves.", plan));
  env.set("NCCL_PROTO", choice.protocol == "simple" ? "Simple" : upper(choice.protocol),
          fmt::format("Predicted fastest with this protocol at {}.", to_string(job.program->payload.size())));
  env.set("NCCL_MIN_NCHANNELS", fmt::format("{}", choice.channels), fmt::format("{} has so many thread blocks on a GPU.", plan));
  env.set("NCCL_MAX_NCHANNELS", fmt::format("{}", choice.channels), "And no more: each takes a multiprocessor from the model.");
}

void add_machine(EnvText& env, const ExportJob& job) {
  const auto& routes = job.topology->routes();
  const auto& program = *job.program;
  std::ptrdiff_t hosts = 0;  // the most that peers of the plan are apart
  const auto host = [&](LinkId link) { return job.topology->node(job.topology->link(link).to).kind == NodeKind::host; };
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      for (const auto operands : {program.sources(program.instructions[i]), program.destinations(program.instructions[i])}) {
        for (const auto& o : operands) hosts = std::max(hosts, std::ranges::count_if(routes.between(lane.rank, o.rank), host));
      }
    }
  }
  if (hosts > 0) {
    env.set("NCCL_P2P_LEVEL", hosts > 1 ? "SYS" : "PHB",
            "Some GPUs of this machine meet at the CPU. NCCL would not use peer access there; the plan counts on it. Test it before you rely on it.");
  }
}

void add_engines(EnvText& env) {
  env.set("VLLM_ALLREDUCE_USE_SYMM_MEM", "0", "vLLM asks PyTorch's symmetric memory before NCCL, which then never sees these settings.");
  env.say("vLLM's own kernel comes before NCCL too: start it with --disable-custom-all-reduce; SGLang takes the same option.");
  env.set("VLLM_SKIP_P2P_CHECK", "0", "vLLM believes the driver about peer access unless it is told to test it.");
}

class NcclEnv final : public ChoiceExporter {
 public:
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    const auto& first = jobs.front();
    EnvText env;
    env.say(
        fmt::format("NCCL for {} among {} ranks of {}.", to_string(first.program->collective.kind), first.program->ranks(), first.topology->name()));
    env.say("NCCL reads this file where NCCL_CONF_FILE names it; engines read their variables from the shell that ran: set -a; . FILE; set +a");
    int rules = 0;
    Result<NcclChoice> choice = nccl_choice(first);
    for (const auto& job : jobs) rules += nccl_choice(job) ? 1 : 0;
    if (rules == 0) return std::move(choice).error();
    if (jobs.size() == 1) {
      add_choice(env, *choice, first);
    } else {
      env.set("NCCL_TUNER_PLUGIN", "p2plab",
              "The best algorithm changes with the size, which NCCL_ALGO and NCCL_PROTO cannot say: libnccl-tuner-p2plab.so chooses.");
      env.set("NCCL_TUNER_CONFIG_FILE", "nccl_tuner.csv", "What it reads: p2plab export --format nccl-tuner TABLE --out nccl_tuner.csv");
    }
    for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
      if (!nccl_rings(*job->topology, *job->plan)) continue;
      env.set("NCCL_GRAPH_FILE", "nccl_graph.xml", "The plan's own orders of GPUs: p2plab export --format nccl-graph PLAN --out nccl_graph.xml");
      break;
    }
    add_machine(env, jobs.back());
    add_engines(env);
    return std::vector<ExportedFile>{{"", std::move(env).take()}};
  }
  std::string extension() const override { return ".conf"; }
  std::string how_to_load(const std::string& files) const override {
    return "NCCL: NCCL_CONF_FILE=" + files + ", or NCCL_ENV_PLUGIN=/path/to/libnccl-env-p2plab.so P2PLAB_ENV_FILE=" + files +
           "; engines: set -a; . " + files + "; set +a";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> nccl_env() {
  return {"nccl-env", "variables of NCCL and of engines, each with its reason (NAME=value lines; NCCL_CONF_FILE)", {}, [] {
            return std::make_unique<NcclEnv>();
          }};
}
}  // namespace exporters

}  // namespace p2plab
