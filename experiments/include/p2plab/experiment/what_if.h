// SPDX-License-Identifier: Apache-2.0
// What if a link were slower, lost or doubled, a GPU slower, a cost different: the plan as it is, and the plan made anew.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "p2plab/simulator/machine_change.h"

namespace p2plab {

/// One thing to imagine: the machine changed, numbers of the profile times a factor, or both.
struct Question {
  MachineChange machine = {};
  std::vector<std::pair<std::string, double>> numbers = {};  // of profile_numbers()
  /// "link gpu0 - sw0 lost, launch x 2".
  std::string text() const;
};

/// A message size and how often it comes.
struct SizeShare {
  Bytes size{0};
  double weight = 1;
};
/// "64 KiB:3, 1 MiB" as sizes with weights (1 where none is given). Errors: no size, a size twice, a weight that is not above zero.
Result<std::vector<SizeShare>> size_shares(const std::string& text);

/// What is asked about: a plan for each size, on one machine at given costs. Weights sum to 1.
struct Subject {
  Topology topology;
  Profile profile;
  Collective collective;
  bool in_place = false;
  AlgorithmChoice replan = {"auto"};
  struct Part {
    double weight = 1;
    Evaluation evaluation;
  };
  std::vector<Part> parts = {};

  /// Mean predicted time, by weight.
  Seconds time() const;
};

/// Times are means over the subject's sizes, by weight.
struct Answer {
  std::string what;
  std::optional<Seconds> kept = std::nullopt;  // the same plans and tunings; none if they cannot run
  std::string kept_error = {};
  std::optional<Seconds> replanned = std::nullopt;  // planned anew by `replan`, or the same plan if that is faster; none if nothing is found
  std::string replanned_error = {};
  std::string algorithm = {};  // what the new plans are, one name for each different one, or "the same plan"
};

/// What is left of the time, asked when there is something to plan; empty: all there is.
using TimeLeft = std::function<std::optional<Seconds>()>;

/// Errors: names and factors that are wrong. What cannot run or be planned on the changed machine is part of the answer.
Result<Answer> what_if(const Subject& subject, const Question& question, const TimeLeft& time_left = {});

/// What is worth asking where nobody asked anything: the pair of nodes whose links were busiest at half, lost, and doubled, and the GPU nearest to
/// it at half. Errors: those of the simulator.
Result<std::vector<Question>> usual_questions(const Subject& subject);

}  // namespace p2plab
