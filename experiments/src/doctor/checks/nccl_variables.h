// SPDX-License-Identifier: Apache-2.0
// Which of NCCL's variables contradict a machine.
#pragma once

#include <string>
#include <vector>

#include "doctor/check.h"

namespace p2plab::doctor {

/// What a value of one variable means on this machine.
struct VariableRule {
  std::string name;
  /// Adds to the complaints where it contradicts the machine.
  std::function<void(const Patient&, const std::string& value, Complaints&)> judge;
};

/// "yes", "true", "1" and other numbers.
bool is_on(const std::string& value);

/// A complaint about a variable with its value as evidence and `unset NAME` as remedy.
Complaint about(const Patient& patient, const std::string& variable, Severity severity, std::string what, std::string no_worth);

std::vector<VariableRule> nccl_rules();

}  // namespace p2plab::doctor
