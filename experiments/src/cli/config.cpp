// SPDX-License-Identifier: Apache-2.0
// p2plab config example|check: config files, explained and tested.
#include <iostream>

#include <fmt/format.h>

#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/gallery.h"

namespace p2plab::cli {

namespace {

Status check_config(const std::string& path) {
  if (is_gallery(path)) {
    auto gallery = load_gallery(path);
    if (!gallery) return std::move(gallery).error();
    std::cout << fmt::format("{}: good\n{}: a gallery of {} machines\n", path, gallery->name, gallery->cases.size());
    return {};
  }
  auto experiment = load_experiment(path);
  if (!experiment) return std::move(experiment).error();
  std::string kinds;
  for (const auto kind : experiment->collectives) kinds += fmt::format("{}{}", kinds.empty() ? "" : ", ", to_string(kind));
  std::string algorithms;
  for (const auto& choice : experiment->algorithms) algorithms += (algorithms.empty() ? "" : ", ") + choice.label();
  std::cout << fmt::format("{}: good\n{}: {} GPUs of {}; {}; {}; {} sizes from {} to {}\n", path, experiment->name, experiment->topology.ranks(),
                           experiment->topology.name(), kinds, algorithms, experiment->sizes.size(), to_string(experiment->sizes.front()),
                           to_string(experiment->sizes.back()));
  return {};
}

}  // namespace

std::vector<Command> config_commands(CLI::App& parent) {
  auto* config = add_command(parent, "config", "Config files, explained and tested", "p2plab config example > my.yaml");
  config->require_subcommand(1);
  auto* example = add_command(*config, "example", "Print a commented config that runs as it stands", "p2plab config example > my.yaml");
  auto path = std::make_shared<std::string>();
  auto* check = add_command(*config, "check", "Report every mistake of a config file", "p2plab config check my.yaml");
  check->add_option("file", *path, "the config file")->required()->type_name("FILE");
  const auto print = [] {
    std::cout << example_config();
    return Status{};
  };
  return {{example, print}, {check, [path] { return check_config(*path); }}};
}

}  // namespace p2plab::cli
