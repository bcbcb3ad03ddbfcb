// SPDX-License-Identifier: Apache-2.0
// What is wrong with a machine, as far as facts and readings tell: each finding with what it costs, where it was read and what to do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/machine/machine_facts.h"

namespace p2plab {

/// `fault`: broken, or set so that it cannot be meant. `slow`: works, and costs speed. `risk`: may fail or cost, by what else happens. `note`: as the
/// machine is made or as somebody chose. `unknown`: could not be read, so nothing is said of it.
enum class Severity { fault, slow, risk, note, unknown };

std::string_view to_string(Severity severity);

/// What to do: a command or a setting, and what may go wrong with it.
struct Remedy {
  std::string what;
  std::string risk = {};  // empty: none that is known
};

/// Bus bandwidth of all-reduce over all GPUs that this project's bound allows, in GB/s.
struct Worth {
  double with = 0;     // the machine with this finding, and nothing else wrong
  double without = 0;  // the machine as it should be
};

/// What a model's all-reduces move over each GPU's links for one token of a prompt, tensor-parallel over all GPUs.
struct TokenTraffic {
  std::string model;
  double bytes = 0;  // as bus bandwidth counts them

  /// At most so many tokens a second pass at so much bus bandwidth, in GB/s.
  double tokens_a_second(double busbw) const { return bytes > 0 ? busbw * 1e9 / bytes : 0; }
};

struct Finding {
  std::string name;        // stable, as in "nvlink.down"
  std::string check = {};  // who found it
  Severity severity = Severity::fault;
  std::string what = {};
  std::optional<Worth> worth = std::nullopt;
  std::string no_worth = {};  // why there is no figure: "none: a risk only", "not known: ..."
  std::vector<std::string> evidence = {};
  std::vector<Remedy> remedies = {};
};

struct Diagnosis {
  std::string machine;
  std::string summary = {};                   // "4 x NVIDIA H200, driver 580.159.04"
  std::vector<Finding> findings = {};         // the worst first
  std::vector<std::string> fine = {};         // checks that found nothing and lacked nothing
  std::optional<Worth> busbw = std::nullopt;  // with all that was found, and as it should be; none for one GPU
  std::string no_busbw = {};                  // why there is none
  std::vector<std::string> warnings = {};
  std::optional<TokenTraffic> traffic = std::nullopt;  // of the model that was asked about

  /// Faults, what is slow and risks: what --strict counts.
  int complaints() const;
};

/// Asks every check. Errors: no_device where the facts name no GPU; those of build_machine; unknown_name, if a reading has a name that none has;
/// invalid_input, if pairs name GPUs that are not there.
Result<Diagnosis> diagnose(const MachineFacts& facts);

/// Adds what was found elsewhere; the worst stay first.
void add_findings(Diagnosis& diagnosis, std::vector<Finding> findings);

std::string diagnosis_text(const Diagnosis& diagnosis);
std::string diagnosis_json(const Diagnosis& diagnosis);

}  // namespace p2plab
