// SPDX-License-Identifier: Apache-2.0
// NCCL's variables, of which many are set once for one machine and then live on for years.
#include "doctor/checks/nccl_variables.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_nccl(const Patient& patient, Complaints& complaints) {
  if (!patient.examined()) {
    complaints.unread("nccl.unread", "which of NCCL's variables are set", {"the environment was not recorded"});
    return;
  }
  for (const auto& rule : nccl_rules()) {
    if (const auto value = patient.variable(rule.name)) rule.judge(patient, *value, complaints);
  }
}

}  // namespace

Check nccl() { return {"nccl", "no variable of NCCL contradicts the machine", look_at_nccl}; }

}  // namespace p2plab::doctor::checks
