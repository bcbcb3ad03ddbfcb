// SPDX-License-Identifier: Apache-2.0
// What is said of a command line that cannot be understood: what was found, what would be right, the nearest name.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "p2plab/base/result.h"

namespace p2plab::cli {

/// The command that the arguments led to, as far as they were understood.
const CLI::App* deepest(const CLI::App& app);

/// "p2plab topo show".
std::string path_of(const CLI::App& app);

/// No flag of the command or of those below it takes a value: `--json=3` is a mistake.
void refuse_values_of_flags(CLI::App& app);

/// An error of code usage for what `parse` threw.
Error usage_error(const CLI::ParseError& fault, const CLI::App& app);

/// The error of an option that is given an empty value, as by a variable of a script that is not set; ok: there is none.
Status no_empty_values(const CLI::App& app);

}  // namespace p2plab::cli
