// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/experiment.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "config/cell_keys.h"
#include "config/profile_source.h"
#include "config/question_source.h"
#include "config/sizes.h"
#include "config/topology_source.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/digest.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/nccl/nccl_call.h"
#include "p2plab/program/plan_io.h"

namespace p2plab {

namespace {

constexpr std::size_t most_sizes = 500;

// The config's bytes, so that two reports can be known to come from the same one.
std::string digest_of(std::string_view text) {
  Digest digest;
  digest.add(text);
  return "xxh3-128:" + to_string(digest.value());
}

Result<std::string> executor_name(std::string_view text) {
  const auto known = known_executors();
  if (std::ranges::find(known, text) != known.end()) return std::string{text};
  return unknown_name("executor", std::string{text}, known);
}

// Notes a repeated element, which would give two rows of one name.
template <class T>
void add_distinct(std::vector<T>& all, T value, const ConfigValue& place, const std::string& name) {
  if (std::ranges::find(all, value) != all.end()) return place.add_error(fmt::format("'{}' is listed twice", name));
  all.push_back(std::move(value));
}

std::vector<CollectiveKind> read_collectives(const ConfigValue& value) {
  std::vector<CollectiveKind> kinds;
  for (const auto& element : value.list(1)) {
    const auto text = element.string();
    auto kind = collective_kind(text);
    if (kind)
      add_distinct(kinds, *kind, element, text);
    else if (!text.empty())
      element.add_error(std::move(kind).error());
  }
  return kinds;
}

// {name: tuned, file: tuned.yaml}: the table that `p2plab tune` made. Mistakes in that file keep their place there.
void read_tuned_choice(const ConfigValue& value, const std::filesystem::path& folder, AlgorithmChoice& choice) {
  if (!value.is_map()) return value.add_error("tuned needs a table", {"write it as {name: tuned, file: tuned.yaml}"});
  if (!value.expect_keys({.required = {"name", "file"}})) return;
  const auto given = value["file"].string();
  if (given.empty()) return;
  choice.parameters["file"] = given;
  auto table = load_tuned((folder / given).string());
  if (table) {
    choice.tuned = std::make_shared<const TunedTable>(*std::move(table));
    return;
  }
  auto error = std::move(table).error();
  if (!error.where) error.where = value["file"].where();
  value["file"].add_error(std::move(error));
}

// {name: plan, file: plan.json}: a plan that was made before, by `p2plab plan --out` or by hand.
void read_plan_choice(const ConfigValue& value, const std::filesystem::path& folder, AlgorithmChoice& choice) {
  if (!value.is_map()) return value.add_error("plan needs a file", {"write it as {name: plan, file: plan.json}"});
  if (!value.expect_keys({.required = {"name", "file"}})) return;
  const auto given = value["file"].string();
  if (given.empty()) return;
  choice.parameters["file"] = given;
  auto file = load_plan((folder / given).string());
  if (file) {
    choice.file = std::make_shared<const PlanFile>(*std::move(file));
    return;
  }
  auto error = std::move(file).error();
  if (!error.where) error.where = value["file"].where();
  value["file"].add_error(std::move(error));
}

// A planner's name, or {name: ring, rings: 1} with values for its parameters.
AlgorithmChoice read_algorithm(const ConfigValue& value, const std::vector<Algorithm>& known, const std::filesystem::path& folder) {
  AlgorithmChoice choice;
  const auto name_place = value.is_map() ? value["name"] : value;
  choice.name = name_place.string();
  if (value.is_map() && !name_place.present()) value.add_error("missing key 'name'", {"write it as {name: ring, rings: 1}"});
  if (choice.name.empty()) return choice;
  if (choice.name == "tuned") return read_tuned_choice(value, folder, choice), choice;
  if (choice.name == "plan") return read_plan_choice(value, folder, choice), choice;
  const auto algorithm = std::ranges::find(known, choice.name, &Algorithm::name);
  if (algorithm == known.end()) {
    std::vector<std::string> names;
    for (const auto& each : known) names.push_back(each.name);
    names.insert(names.end(), {"tuned", "plan"});
    return name_place.add_error(unknown_name("algorithm", choice.name, names)), choice;
  }
  if (!value.is_map()) return choice;
  for (const auto& [key, given] : value.entries()) {
    if (key == "name") continue;
    choice.parameters[key] = given.string();
    auto complete = complete_parameters(choice.name, algorithm->parameters, {{key, choice.parameters[key]}});
    if (!complete) given.add_error(std::move(complete).error());
  }
  return choice;
}

// Of parameters that were called otherwise.
void add_former_names(std::vector<std::string>& warnings, const std::vector<AlgorithmChoice>& choices) {
  for (const auto& known : algorithms()) {
    for (const auto& choice : choices) {
      if (choice.name != known.name) continue;
      for (auto& warning : warnings_of(known.name, known.parameters, choice.parameters)) warnings.push_back(std::move(warning));
    }
  }
}

std::vector<AlgorithmChoice> read_algorithms(const ConfigValue& value, const std::filesystem::path& folder) {
  const auto known = algorithms();
  std::vector<AlgorithmChoice> choices;
  std::set<std::string> labels;
  for (const auto& element : value.list(1)) {
    auto choice = read_algorithm(element, known, folder);
    if (choice.name.empty()) continue;
    if (!labels.insert(choice.label()).second) element.add_error(fmt::format("'{}' is listed twice", choice.label()));
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<Bytes> size_range(const ConfigValue& value) {
  if (!value.expect_keys({.required = {"from", "to"}, .optional = {"factor"}})) return {};
  const auto from = value["from"].size(Bytes{1024});  // what cannot be read is one mistake, not several
  const auto to = value["to"].size(largest_size);
  const auto factor = value["factor"].integer({.least = 2, .most = 1024}, 2);
  if (from.count() <= 0 && value["from"].present()) value["from"].add_error("a range of sizes must start above 0 B");
  if (to < from) value["to"].add_error(fmt::format("the range ends at {}, below its start {}", to_string(to), to_string(from)));
  std::vector<Bytes> sizes;
  for (auto size = from; size.count() > 0 && size <= std::min(to, largest_size); size = size * factor) sizes.push_back(size);
  return sizes;
}

// Says so at `place` where a size has half an element; true if it has not.
bool check_whole(Bytes size, DataType dtype, const ConfigValue& place) {
  if (size.count() % size_of(dtype) == 0) return true;
  place.add_error(fmt::format("{} is not a multiple of the element size: {} has {} bytes", to_string(size), to_string(dtype), size_of(dtype)));
  return false;
}

std::vector<Bytes> read_sizes(const ConfigValue& value, DataType dtype) {
  if (!value.present()) return {};
  std::vector<Bytes> sizes;
  if (value.is_map()) {
    sizes = size_range(value);
    if (value["to"].present() && value["to"].size() > largest_size) value["to"].add_error(fmt::format("sizes go up to {}", to_string(largest_size)));
    for (const auto size : sizes) {
      if (!check_whole(size, dtype, value["from"])) break;  // the others have half elements for the same reason
    }
  } else {
    for (const auto& element : value.list(1, most_sizes)) {
      const auto size = element.size();
      if (size > largest_size) element.add_error(fmt::format("sizes go up to {}", to_string(largest_size)));
      add_distinct(sizes, size, element, to_string(size));
      check_whole(size, dtype, element);
    }
  }
  std::ranges::sort(sizes);
  return sizes;
}

std::vector<std::string> read_executors(const ConfigValue& value) {
  if (!value.present()) return {"simulator"};
  std::vector<std::string> names;
  for (const auto& element : value.list(1)) {
    const auto name = element.as(executor_name, std::string{});
    if (!name.empty()) add_distinct(names, name, element, name);
  }
  return names;
}

MeasureOptions read_measure(const ConfigValue& value) {
  MeasureOptions options;
  if (!value.present() || !value.expect_keys({.optional = {"warmup", "repeats", "graph", "in_place", "check_up_to"}})) return options;
  options.warmup = static_cast<int>(value["warmup"].integer({.least = 0, .most = 100000}, options.warmup));
  options.repeats = static_cast<int>(value["repeats"].integer({.least = 1, .most = 100000}, options.repeats));
  options.graph = value["graph"].boolean(options.graph);
  options.in_place = value["in_place"].boolean(options.in_place);
  options.check_up_to = value["check_up_to"].size(options.check_up_to);
  return options;
}

NcclRun read_nccl(const ConfigValue& value) {
  NcclRun run;
  if (!value.present() || !value.expect_keys({.optional = {"launch", "nvls", "peers", "amd_cpu"}})) return run;
  if (value["launch"].present()) run.launch = value["launch"].as(nccl::launch_mode, nccl::launch_modes().front()).name;
  run.nvls = value["nvls"].boolean(false);
  run.peers = value["peers"].boolean(true);
  run.amd_cpu = value["amd_cpu"].boolean(false);
  return run;
}

}  // namespace

std::vector<std::string> known_executors() { return {"simulator", "host", "cuda", "nccl", "nccl_symmetric"}; }

Result<Experiment> load_experiment(const std::string& path) {
  auto text = read_text_file(path, longest_config);
  if (!text) return std::move(text).error();
  return read_experiment(*text, path);
}

std::optional<Experiment> read_cell(const CellKeys& root, std::string_view text, const std::string& path) {
  const std::filesystem::path place(path);
  auto machine = read_machine(root["topology"], root["mask"], place.parent_path().string());
  const auto dtype = root["dtype"].as(data_type, DataType::float32);
  const auto ranks = machine ? machine->topology.ranks() : 1 << 20;
  const Rank sender{root["root"].integer({.least = 0, .most = ranks - 1}, 0)};
  const auto profile = read_profile(root["profile"], place.parent_path(), machine).value_or(Profile{});
  // Where this machine's GPUs are to run the plans, theirs are the forms that were measured, whether or not a profile tells what they cost.
  const bool here = root["topology"]["detect"].present();
  const auto forms = root["forms"].as(plan_forms, here ? PlanForms::gpu : usual_forms(profile));
  const auto name = root["name"].string(place.stem().string());
  const auto collectives = read_collectives(root["collectives"]);
  const auto algorithms = read_algorithms(root["algorithms"], place.parent_path());
  auto warnings = machine ? machine->warnings : std::vector<std::string>{};
  warnings.insert(warnings.end(), profile.warnings.begin(), profile.warnings.end());
  add_former_names(warnings, algorithms);
  const auto sizes = read_sizes(root["sizes"], dtype);
  const auto op = root["op"].as(reduce_op, ReduceOp::sum);
  const auto executors = read_executors(root["executors"]);
  const auto measure = read_measure(root["measure"]);
  const auto nccl = read_nccl(root["nccl"]);
  const auto questions =
      read_questions(root["question"], {.machine = machine ? &*machine : nullptr, .algorithms = &algorithms, .folder = place.parent_path().string()});
  const auto seed = static_cast<std::uint64_t>(root["seed"].integer({.least = 0}, 1));
  if (!machine) return std::nullopt;
  return Experiment{.name = name,
                    .path = path,
                    .digest = digest_of(text),
                    .topology = machine->topology,
                    .masked = machine->masked,
                    .warnings = warnings,
                    .questions = questions,
                    .collectives = collectives,
                    .algorithms = algorithms,
                    .sizes = sizes,
                    .dtype = dtype,
                    .op = op,
                    .root = sender,
                    .executors = executors,
                    .profile = profile,
                    .forms = forms,
                    .measure = measure,
                    .nccl = nccl,
                    .seed = seed};
}

}  // namespace p2plab
