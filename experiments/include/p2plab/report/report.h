// SPDX-License-Identifier: Apache-2.0
// The result of a run: rows with fixed keys, where they come from, what was skipped, what was found. Written as JSON, CSV, text and HTML.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"
#include "p2plab/experiment/prediction.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/measurement.h"
#include "p2plab/report/axes.h"
#include "p2plab/report/text_layout.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

/// Where numbers come from; travels with every report.
struct Provenance {
  std::string version = {};        // of p2plab
  std::string command = {};        // as it was given
  std::string config = {};         // path as given
  std::string config_digest = {};  // of the config file's bytes, "xxh3-128:..."
  std::uint64_t seed = 1;
  std::string cpu = {};
  std::vector<std::string> gpus = {};    // empty: none
  std::string driver = {};               // empty: none
  std::vector<std::string> before = {};  // each GPU's clock, heat and users before it was timed, where NVML tells
  std::vector<std::string> after = {};
  std::string date = {};                   // UTC, ISO 8601
  std::string topology = {};               // name of the machine that was planned for
  std::string profile = {};                // name of the costs that predictions were made with
  std::string forms = {};                  // in which plans were predicted and run: "model", "gpu", "gpu_staged"
  std::vector<SourcedValue> assumed = {};  // numbers and facts of the machine that rows rest on and nobody told, or a table within a range only
};

/// One algorithm at one size on one executor: what was to be expected, and what came of it.
struct Row {
  Axes axes = {};  // where it stands in a sweep
  CollectiveKind collective = CollectiveKind::all_reduce;
  std::string algorithm;  // as in the config
  int ranks = 0;
  std::string dtype;
  Bytes size{0};                                        // nccl-tests' size
  std::optional<Prediction> prediction = std::nullopt;  // what the simulator says of this program
  Measurement measurement = {};                         // what the executor says, and by which clock
  std::optional<Seconds> bound = std::nullopt;          // no schedule can be faster
  bool verified = false;                                // the schedule is proved, for this placement of input and output
  bool in_place = false;
  int thread_blocks = 0;  // per rank
  std::string protocol;
  // Beyond the fixed keys:
  int blocks_per_lane = 1;
  Bytes slice{0};
  int slices = 0;                                   // of each chunk, where their number is given, not their bytes
  std::string chosen = {};                          // the planner that made the plan, where `auto` chose
  bool winner = false;                              // least predicted time of its collective and size
  std::optional<Seconds> bound_low = std::nullopt;  // the bound, were all that is assumed of the machine as fast as it can be; none: nothing is
  std::vector<std::string> disturbed = {};          // what else happened on the GPUs while it was timed, though that was tried again
  std::vector<std::string> rests_on = {};           // what of Provenance::assumed the prediction rests on

  /// "simulator", or one that moved data.
  const std::string& executor() const { return measurement.executor; }
  Clock clock() const { return measurement.clock; }
  const std::optional<DataCheck>& data() const { return measurement.check; }
  /// Does it say what a plan was predicted to take? NCCL's model has no plan that could be proved, so it competes with none.
  bool predicts_plan() const { return clock() == Clock::simulated && verified; }
  /// What the executor says: the middle of its repeats.
  std::optional<Seconds> time() const { return measurement.median(); }
  /// What the simulator says.
  std::optional<Seconds> predicted() const { return prediction ? std::optional(prediction->time) : std::nullopt; }
  /// Where the prediction lies if the profile's numbers lie within their intervals.
  std::optional<Interval> interval() const { return prediction ? prediction->interval : std::nullopt; }

  /// Payload per second; none without a time, zero for an empty payload.
  std::optional<double> algbw_gbps() const;
  /// algbw times nccl-tests' factor.
  std::optional<double> busbw_gbps() const;
  /// (predicted - time) / time in percent, where a device clock gave the time; figures of other clocks are not comparable.
  std::optional<double> error_pct() const;
  /// bound / predicted in percent.
  std::optional<double> bound_pct() const;
};

/// Something that was asked for and not done.
struct Skipped {
  std::string what;  // "executor cuda", "all_reduce ring"
  std::string reason;
};

/// A file that goes with the report (a trace).
struct Attachment {
  std::string name;
  std::string text;
};

/// What was simulated of one row: links, thread blocks, over time.
struct SimulatedView {
  Axes axes = {};    // where the row stands in a sweep
  std::string json;  // as report.html draws it
};

struct Report {
  std::string name = {};  // of the experiment
  Provenance provenance = {};
  std::vector<Row> rows = {};
  std::vector<Skipped> skipped = {};
  bool interrupted = false;                // not all that was asked for was tried
  std::vector<std::string> findings = {};  // sentences
  std::size_t answers = 0;                 // how many of them, the first, answer what the config asks
  std::vector<Attachment> attachments = {};
  std::vector<SimulatedView> views = {};
};

/// Marks, per place in a sweep, collective and size, the simulator row with the least predicted time; of equals the first.
void mark_winners(std::vector<Row>& rows);

/// report.json: an object with `name`, `provenance`, `rows`, `skipped`, `findings`.
std::string to_json(const Report& report);
/// report.csv: one line per row, the fixed keys as header.
std::string to_csv(const Report& report);
/// report.html: the verdict, charts, the machine under load, the table and provenance, in one file that loads nothing.
std::string to_html(const Report& report);
/// The tables and the sentences for a person.
std::string to_text(const Report& report, const TextLayout& layout = {});

/// Writes report.json, report.csv, report.html and the attachments into `directory`, which is made if missing. Errors: io.
Status write_report(const Report& report, const std::string& directory);

/// Writes files into `directory`, which is made if missing. Errors: io.
Status write_files(const std::vector<Attachment>& files, const std::string& directory);

/// Reads a report.json back (a file, or a directory that holds one); attachments are not read. Errors: io, invalid_input with the place.
Result<Report> read_report(const std::string& path);

}  // namespace p2plab
