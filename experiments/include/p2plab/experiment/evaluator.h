// SPDX-License-Identifier: Apache-2.0
// From a plan to its prediction, as values: Plan -> ProvedPlan -> Program -> Prediction. The evaluator knows the machine, its costs and the policy by
// which a plan gets its form.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "p2plab/experiment/prediction.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/peer_access.h"
#include "p2plab/program/planner.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"
#include "p2plab/simulator/profile.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// What carries a plan's packets, once some are lowered.
class PacketResources {
 public:
  void keep(const std::shared_ptr<const FoldedResources>& found) {
    const std::lock_guard lock(mutex_);
    if (found) found_ = found;
  }
  std::shared_ptr<const FoldedResources> found() const {
    const std::lock_guard lock(mutex_);
    return found_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const FoldedResources> found_;
};

/// A plan whose schedule is proved on one machine. Many programs are made of it: one for each payload.
struct ProvedPlan {
  std::shared_ptr<const Plan> plan;
  Proof proof;
  std::shared_ptr<const FoldedResources> resources;  // where its programs are lowered, proved and simulated folded
  std::shared_ptr<PacketResources> packets = std::make_shared<PacketResources>();

  /// Its programs are folded (lower_folded) where images differ in few ways, and timed as images of the largest.
  bool folds() const { return resources != nullptr; }
  /// By which one of its programs is simulated sooner (SimOptions::resources).
  std::shared_ptr<const FoldedResources> resources_of(const Program& program) const { return program.packets ? packets->found() : resources; }

  /// How many steps have to be looked at.
  std::size_t steps() const { return folds() ? plan->schedule.base_step_count() : plan->schedule.step_count(); }
};

/// A proved plan as a program for one payload, and its prediction.
struct Evaluation {
  std::shared_ptr<const ProvedPlan> proved;
  Program program;
  Prediction prediction;
  std::string choice = {};  // why `auto` took this plan; empty where it was asked for

  const Plan& plan() const& { return *proved->plan; }
  const Plan& plan() && = delete;
  /// Why this plan was taken and what it does.
  std::string reason() const { return choice.empty() ? plan().reason : choice + "; " + plan().reason; }
  /// The plan as files keep it: with the program's tuning, and the reason.
  Plan kept_plan() const;
};

/// Which form (tuning) a plan takes: the one that the model predicts fastest, or that in which this project's executor runs it on GPUs, on buffers
/// that peers reach or on staged ones. The forms for GPUs were measured, not chosen by the model.
enum class PlanForms : std::uint8_t { model, gpu, gpu_staged };

std::string_view to_string(PlanForms forms);  // "model", "gpu", "gpu_staged"
Result<PlanForms> plan_forms(std::string_view name);
/// The forms of GPUs where the profile has costs of packets, which only GPUs have; else the model's choice.
PlanForms usual_forms(const Profile& profile);
/// The profile that comes with the program for the machine's GPUs (gpu_kind.h): one with their name, or, where PCIe joins them, one for its
/// generation. None if the machine's description names no GPUs, or there is no profile for them. Errors: those of reading it.
Result<std::optional<Profile>> usual_profile(const Topology& topology);
/// Why there is none: "nothing tells what its GPUs cost", or that this installation has no profiles, with the places where they would lie.
std::string why_no_profile();

struct EvaluatorOptions {
  SimEngine engine = SimEngine::events;
  std::optional<PlanForms> forms = std::nullopt;  // none: usual_forms(profile), as `run` has it
  bool folded = false;                            // evaluations may hold folded programs (Program::folded); `whole` gives whole ones
};

/// What a program takes, as far as it was asked.
struct ProgramTime {
  std::optional<Seconds> time;  // none: more than the limit
  Seconds busiest{0};           // no cut of the program into slices and thread blocks takes less, for the bytes on its busiest link
};

/// Judges plans on one machine at one profile's costs. Remembers the times of programs, so equal programs are simulated once. Copies share all that;
/// every member may be called from several threads.
class Evaluator {
 public:
  explicit Evaluator(const Topology& topology, const Profile& profile = {}, const EvaluatorOptions& options = {});

  const Topology& topology() const&;
  const Profile& profile() const&;
  const EvaluatorOptions& options() const&;
  /// Whose memory the ranks reach: by it programs are lowered.
  const PeerAccess& peer_access() const&;
  const Topology& topology() && = delete;
  const Profile& profile() && = delete;
  const EvaluatorOptions& options() && = delete;
  const PeerAccess& peer_access() && = delete;

  /// Errors: verification_failed.
  Result<std::shared_ptr<const ProvedPlan>> prove(std::shared_ptr<const Plan> plan, bool in_place) const;
  Result<std::shared_ptr<const ProvedPlan>> prove(Plan plan, bool in_place) const;

  /// What the program takes. Errors: those of the simulator, here and below.
  Result<Seconds> time(const Program& program) const;
  /// The same with its interval: from the machine with what is assumed of it at its fast ends (assumptions.h) at the fast ends of the profile's
  /// numbers, to the slow ends of both. None where neither has a range.
  Result<Prediction> predict(const Program& program) const;
  /// The same, if it is at most `limit`; where the bound of the program alone is above, it is not simulated. Sooner with the plan that it is of.
  Result<ProgramTime> time_below(Seconds limit, const Program& program, const ProvedPlan* plan = nullptr) const;
  /// A simulation with what is asked to be kept of it; not remembered.
  Result<SimResult> simulate(const Program& program, const SimOptions& options) const;

  /// Lowers a plan in the form that the options say. Where that is the model's choice, tunings (copies of lanes, slices, protocols) are tried from
  /// the planner's suggestion on, and the fastest is kept; once `stop` says true (empty: never) the fastest so far is taken. Errors: those of
  /// `lower`, too.
  Result<Evaluation> evaluate(std::shared_ptr<const ProvedPlan> plan, const Payload& payload, const std::function<bool()>& stop = {}) const;
  /// The same with the tuning given.
  Result<Evaluation> evaluate_as(std::shared_ptr<const ProvedPlan> plan, const Payload& payload, const Tuning& tuning) const;
  /// The same for comparing plans: the program is not proved (`check` does), and may be folded; none, and mostly no simulation, where it takes longer
  /// than `limit`.
  Result<std::optional<Evaluation>> evaluate_below(Seconds limit, std::shared_ptr<const ProvedPlan> plan, const Payload& payload,
                                                   const Tuning& tuning) const;
  /// The same where the form is the model's choice. What it finds does not hang on `limit`: it is what `evaluate` finds.
  Result<std::optional<Evaluation>> evaluate_below(Seconds limit, std::shared_ptr<const ProvedPlan> plan, const Payload& payload,
                                                   const std::function<bool()>& stop) const;
  /// The plan lowered and folded; none if it cannot be. Errors: those of `lower`.
  Result<std::optional<Program>> lowered_folded(const ProvedPlan& plan, const Payload& payload, const Tuning& tuning) const;
  /// The plan lowered, folded if it can be. Errors: those of `lower`.
  Result<Program> lowered(const ProvedPlan& plan, const Payload& payload, const Tuning& tuning) const;
  /// Proves a program of the plan, folded or not. Error verification_failed.
  Status check(const ProvedPlan& plan, const Program& program) const;
  /// The same with its whole program, proved.
  Result<Evaluation> whole(Evaluation evaluation) const;
  /// The same where the options do not say that it may be folded.
  Result<Evaluation> as_asked(Evaluation evaluation) const;

  /// The tuning that a plan takes where it is not for the model to choose.
  std::optional<Tuning> given_tuning(const ProvedPlan& plan, const Payload& payload) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The payload of `size` bytes; the size is rounded down to whole elements.
Payload payload_of(Bytes size, DataType type, ReduceOp op);

}  // namespace p2plab
