// SPDX-License-Identifier: Apache-2.0
// What `p2plab run` does beside experiments in one process.
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bench/led.h"
#include "cli/command.h"
#include "cli/run/run.h"
#include "config/launched.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/gallery.h"
#include "p2plab/experiment/process_groups.h"
#include "p2plab/experiment/run.h"
#include "p2plab/experiment/sweep.h"
#include "p2plab/report/files.h"

namespace p2plab::cli {

namespace {

// Published figures beside predictions; --out writes gallery.json, gallery.csv, gallery_bands.csv, gallery.txt and gallery.html.
Status run_gallery_config(std::string_view text, const RunArguments& arguments, Progress& progress, Watch& watch) {
  auto gallery = read_gallery(text, arguments.config);
  if (!gallery) return std::move(gallery).error();
  auto report = run_gallery(*gallery, progress);
  if (!report) return std::move(report).error();
  if (!arguments.out.empty()) {
    const std::vector<Attachment> files{{"gallery.json", to_json(*report)},
                                        {"gallery.csv", to_csv(*report)},
                                        {"gallery_bands.csv", bands_csv(*report)},
                                        {"gallery.txt", to_text(*report)},
                                        {"gallery.html", to_html(*report)}};
    if (auto written = write_files(files, arguments.out); !written) return written;
    progress.note("report written to " + arguments.out);
  }
  return watch.print(arguments.json ? to_json(*report) : to_text(*report));
}

// Process groups that communicate at once; --out writes groups.json and groups.txt.
Status run_groups_config(std::string_view text, const RunArguments& arguments, Progress& progress, Watch& watch) {
  const auto config = read_process_groups(text, arguments.config);
  if (!config) return config.error();
  for (const auto& warning : config->warnings) progress.note(warning);
  const auto plan = plan_process_groups(config->topology, config->profile, config->calls, config->options);
  if (!plan) return plan.error();
  const auto said = to_text(*plan, config->calls, config->topology);
  const auto json = to_json(*plan, config->calls, config->topology);
  if (!arguments.out.empty()) {
    const std::vector<Attachment> files{{"groups.json", json}, {"groups.txt", said}};
    if (auto written = write_files(files, arguments.out); !written) return written;
    progress.note("report written to " + arguments.out);
  }
  return watch.print(arguments.json ? json : said);
}

// Ranks that none of the machines has run nothing, which is not what was asked for.
Status has_machine_of(const Sweep& sweep, int ranks) {
  std::set<int> needed;
  for (const auto& cell : sweep.cells) needed.insert(cell.experiment.topology.ranks());
  if (needed.contains(ranks)) return {};
  return Error{ErrorCode::invalid_input,
               fmt::format("the config's machine has {} ranks, this job {}", fmt::join(needed, " or "), ranks),
               std::nullopt,
               {"start as many processes as the machine has GPUs, or say the machine of these"}};
}

}  // namespace

namespace {

// Only plans that are run need ranks.
Status runs_as_a_job(std::string_view text, const std::string& config) {
  const auto* kind = is_gallery(text, config) ? "gallery" : is_process_groups(text, config) ? "groups" : nullptr;
  if (kind == nullptr) return {};
  return Error{ErrorCode::unsupported,
               fmt::format("a config of kind {} runs nothing on ranks: it is predicted by one process, without --launched", kind),
               SourceLocation{config}};
}

Status lead_run(RunArguments arguments, Session& session, Watch& watch) {
  Leader leader(session);
  if (auto able = arguments.out.empty() ? Status{} : can_write_into(arguments.out); !able) return able;
  auto config = config_of(arguments.config);
  if (!config) return std::move(config).error();
  arguments.config = *std::move(config);
  const auto progress = progress_for(arguments);
  const auto text = read_text_file(arguments.config, longest_config);
  if (!text) return text.error();
  if (auto able = runs_as_a_job(*text, arguments.config); !able) return able;
  auto sweep = read_sweep(*text, arguments.config);
  if (!sweep) return std::move(sweep).error();
  if (auto has = has_machine_of(*sweep, session.ranks()); !has) return has;
  for (auto& cell : sweep->cells) cell.experiment.job = [&leader](const std::string& name) { return leader.executor(name); };
  if (!arguments.out.empty())
    return run_in_folder(
        arguments, *sweep, *text, {}, [&] { return session.state(); }, *progress, watch);
  auto report = run(
      *sweep, *progress, [&] { return watch.asked(); }, false);  // traces are files
  if (!report) return std::move(report).error();
  if (auto lost = session.state(); !lost) return lost;
  return give_out(*report, arguments, *progress, watch);
}

}  // namespace

// Rank 0 leads and reports; the others run what it runs.
Status run_launched(const RunArguments& arguments, Watch& watch) {
  return as_launched_rank("run", {{"the config", arguments.config}}, Seconds{arguments.launch.gathering}, [&](Session& session) -> Status {
    watch.stops_when_asked();
    return session.rank() == 0 ? lead_run(arguments, session, watch) : follow(session);
  });
}

std::optional<Status> run_other_kind(std::string_view text, const RunArguments& arguments, Progress& progress, Watch& watch) {
  if (is_gallery(text, arguments.config)) return run_gallery_config(text, arguments, progress, watch);
  if (is_process_groups(text, arguments.config)) return run_groups_config(text, arguments, progress, watch);
  return std::nullopt;
}

}  // namespace p2plab::cli
