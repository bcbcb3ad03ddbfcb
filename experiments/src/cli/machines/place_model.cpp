// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/place_model.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/machines/machine_report.h"
#include "cli/machines/model_shape.h"
#include "p2plab/bounds/place.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/gpu_facts.h"
#include "p2plab/machine/mask.h"
#include "report/text_table.h"

namespace p2plab::cli {

namespace {

struct Choice {
  int gpus = 1;
  double memory = 0;  // GB that a GPU must hold
  bool fits = false;
  double message = 0;  // bytes of one all-reduce
  double send = 0;     // us a token for all layers
  double read = 0;     // us a token to read weights and what is kept
  std::vector<int> numbers = {};
};

// The all-reduces of one token: two a layer.
Result<double> sending(const Topology& topology, const Placement& placement, const ModelShape& shape, const ModelQuestion& question, double message) {
  if (placement.gpus.size() < 2) return 0.0;
  auto kept = keep_gpus(topology, placement.gpus);
  if (kept) kept = peer_links(*kept);
  if (!kept) return std::move(kept).error();
  auto profile = quiet_profile_from(question.profile, topology);
  if (!profile) return std::move(profile).error();
  const auto& job = *kept;
  const auto payload = payload_of(Bytes{static_cast<std::int64_t>(message)}, DataType::float16, ReduceOp::sum);
  auto plan = plan_one(Evaluator(job, *profile), {.name = "auto"}, make_collective(CollectiveKind::all_reduce, job.ranks()), payload);
  if (!plan) return std::move(plan).error();
  return 2 * shape.layers * microseconds(plan->prediction.time);
}

Result<std::vector<Choice>> choices_of(const Topology& topology, const ModelShape& shape, const ModelQuestion& question, const GpuFacts& gpu) {
  constexpr double runtime_gb = 2;  // what an engine keeps beside weights and keys
  std::vector<Choice> choices;
  for (int gpus = 1; gpus <= topology.ranks(); gpus *= 2) {
    if (std::fmod(shape.heads, gpus) != 0) break;
    auto placements = place(topology, gpus);
    if (!placements) return std::move(placements).error();
    Choice choice{.gpus = gpus, .numbers = gpu_numbers(topology, placements->front())};
    const double bytes = question.bits / 8.0;
    const double kept = shape.kept() * question.batch * question.context / std::min<double>(gpus, shape.kv_heads);
    choice.memory = (shape.weights(shape.experts) * bytes / gpus + kept) * 1e-9 + runtime_gb;
    choice.fits = choice.memory <= gpu.memory_gb;
    choice.message = question.batch * shape.hidden * 2;
    const double experts = std::min(shape.experts, shape.active_experts * question.batch);
    if (gpu.memory_gbps > 0) choice.read = (shape.weights(experts) * bytes / gpus + kept) / gpu.memory_gbps * 1e-3;
    auto send = sending(topology, placements->front(), shape, question, choice.message);
    if (!send) return std::move(send).error();
    choice.send = *send;
    choices.push_back(std::move(choice));
  }
  return choices;
}

// The least time a token among those that fit; where memory's rate is not known, the smallest that fits.
const Choice* recommended(const std::vector<Choice>& choices, const GpuFacts& gpu) {
  const Choice* best = nullptr;
  for (const auto& choice : choices) {
    if (!choice.fits) continue;
    const bool faster = best != nullptr && gpu.memory_gbps > 0 && choice.read + choice.send < best->read + best->send;
    if (best == nullptr || faster) best = &choice;
  }
  return best;
}

std::string reason(const std::vector<Choice>& choices, const Choice* best, const GpuFacts& gpu) {
  const auto fitting = std::ranges::find(choices, true, &Choice::fits);
  if (best == nullptr)
    return fmt::format("no size fits {} GB a GPU: fewer bits a weight (--bits), a smaller batch or context, or more GPUs", gpu.memory_gb);
  if (gpu.memory_gbps == 0) return fmt::format("the fewest GPUs that hold it; how fast {} reads its memory is not in the table", gpu.title);
  if (&*fitting == best && best == &choices.back()) return "the only size that fits";
  if (&*fitting == best) return "the fewest GPUs that hold it; more would send longer than they save in reading weights";
  return fmt::format("{} hold it, too, but a token then takes {:.0f} us instead of {:.0f}", fitting->gpus, fitting->read + fitting->send,
                     best->read + best->send);
}

}  // namespace

Result<std::string> recommend_groups(const Topology& topology, const ModelQuestion& question) {
  const auto shape = model_shape(question.model);
  if (!shape) return shape.error();
  auto gpu = gpu_facts(question.gpu);
  if (question.memory_gb > 0) gpu = GpuFacts{gpu ? gpu->title : "the GPU", question.memory_gb, gpu ? gpu->memory_gbps : 0};
  if (!gpu) {
    return Error{ErrorCode::invalid_input, "the GPU's memory is not known", std::nullopt, {"say --machine gpu=h100 for a text, or --memory 80 (GB)"}};
  }
  const auto profile = profile_from(question.profile, topology);
  if (!profile) return profile.error();
  const auto choices = choices_of(topology, *shape, question, *gpu);
  if (!choices) return choices.error();
  const auto* best = recommended(*choices, *gpu);
  const auto why = reason(*choices, best, *gpu);
  if (question.json) {
    nlohmann::ordered_json json{{"model", shape->name},
                                {"weights_billion", std::round(shape->weights(shape->experts) * 1e-7) / 100},
                                {"gpu", gpu->title},
                                {"memory_gb", gpu->memory_gb},
                                {"tensor_parallel", best != nullptr ? best->gpus : 0},
                                {"profile", profile->name},
                                {"reason", why}};
    for (const auto& choice : *choices)
      json["choices"].push_back({{"tensor_parallel", choice.gpus},
                                 {"memory_gb", choice.memory},
                                 {"fits", choice.fits},
                                 {"all_reduce_bytes", choice.message},
                                 {"communication_us", choice.send},
                                 {"memory_us", choice.read},
                                 {"gpus", choice.numbers}});
    return json.dump(2) + "\n";
  }
  TextTable table({{"tp", TextTable::Align::right},
                   {"GB a GPU", TextTable::Align::right},
                   {"fits"},
                   {"all-reduce", TextTable::Align::right},
                   {"sends us", TextTable::Align::right},
                   {"reads us", TextTable::Align::right},
                   {"GPUs"}});
  for (const auto& choice : *choices) {
    table.add({fmt::format("{}", choice.gpus), fmt::format("{:.1f}", choice.memory), choice.fits ? "yes" : "no",
               fmt::format("{:.0f} B", choice.message), fmt::format("{:.0f}", choice.send),
               gpu->memory_gbps > 0 ? fmt::format("{:.0f}", choice.read) : "-", fmt::format("{}", fmt::join(choice.numbers, ","))});
  }
  auto text =
      fmt::format("{}: {:.1f} billion weights of {} bits, batch {}, {} tokens each, on {} ({:.0f} GB); a token of all sequences, by profile {}\n",
                  shape->name, shape->weights(shape->experts) * 1e-9, question.bits, question.batch, question.context, gpu->title, gpu->memory_gb,
                  profile->name) +
      table.text();
  if (best != nullptr) text += fmt::format("tensor-parallel size {}: CUDA_VISIBLE_DEVICES={}\n", best->gpus, fmt::join(best->numbers, ","));
  text += fmt::format("because {}\n", why);
  text +=
      "sends: two all-reduces a layer, the fastest plan of each; reads: weights and keys once from a GPU's own memory; arithmetic is not counted\n";
  return text;
}

}  // namespace p2plab::cli
