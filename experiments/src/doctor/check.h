// SPDX-License-Identifier: Apache-2.0
// A check is a value: a name, a sentence, and a function that looks at a machine and says what it finds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "doctor/patient.h"
#include "doctor/worth.h"
#include "p2plab/experiment/doctor.h"

namespace p2plab::doctor {

/// A finding, and how it changes the machine: `present` makes the machine of the facts as it is, where the facts do not show it; `repair` makes it
/// as it should be, where they do. Neither: it costs no link anything, and `no_worth` says why there is no figure.
struct Complaint {
  Finding finding;
  Change present = {};
  Change repair = {};
};

class Complaints {
 public:
  void add(Complaint complaint) { all_.push_back(std::move(complaint)); }
  /// Something that could not be read, so that the check says nothing of it.
  void unread(const std::string& name, std::string what, std::vector<std::string> evidence, std::vector<Remedy> remedies = {});
  std::vector<Complaint> take() && { return std::move(all_); }

 private:
  std::vector<Complaint> all_;
};

struct Check {
  std::string name;
  std::string summary;  // what it looks at
  std::function<void(const Patient&, Complaints&)> examine;
};

/// All of them, in the order of CMakeLists.txt.
std::vector<Check> builtin_checks();

/// "none: a risk only".
inline const std::string only_a_risk = "none: a risk only";

/// 1.5 GiB, 64 MiB, 12 KiB.
std::string amount(std::int64_t bytes);

}  // namespace p2plab::doctor
